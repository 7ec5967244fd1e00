import { createRouter, createWebHistory } from 'vue-router'
import ChatPage from '@/pages/ChatPage.vue'

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', name: 'new', component: ChatPage },
    { path: '/c/:id', name: 'chat', component: ChatPage },
    { path: '/fleet', name: 'fleet', component: () => import('@/pages/FleetPage.vue') },
    { path: '/:rest(.*)*', redirect: '/' },
  ],
})
