import { ref } from 'vue'

/** The key of the turn whose question is being changed in place; one at a time. */
export const editing = ref<string | null>(null)
