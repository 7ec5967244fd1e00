import { shallowRef } from 'vue'
import type { Conversation } from '@/api/wire'

/** The conversations that a command wants to rename or delete: the dialogs ask first. */
export const renaming = shallowRef<Conversation | null>(null)
export const deleting = shallowRef<Conversation | null>(null)
