import { fileURLToPath } from 'node:url'
import tailwind from '@tailwindcss/vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

const backend = process.env.BACKEND ?? 'http://127.0.0.1:7861'

export default defineConfig({
  plugins: [vue(), tailwind()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  define: {
    __VUE_OPTIONS_API__: false,
    __VUE_PROD_DEVTOOLS__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
    // Message formats are compiled without `new Function`, which our Content-Security-Policy forbids.
    __INTLIFY_JIT_COMPILATION__: true,
  },
  server: { proxy: { '/api': backend } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // what is inlined as data: the Content-Security-Policy does not let in
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
  },
})
