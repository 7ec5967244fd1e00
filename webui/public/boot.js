// Runs before the first paint, so that nobody sees the wrong theme flash by.
// A file of its own because the Content-Security-Policy allows no inline script.
;(function () {
  var root = document.documentElement
  var read = function (key) {
    try {
      return localStorage.getItem(key)
    } catch {
      return null // storage can be forbidden; the defaults do
    }
  }
  var theme = read('shortline.theme')
  var dark = theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  root.classList.toggle('dark', dark)
  var bar = document.querySelector('meta[name=theme-color]')
  if (bar) bar.setAttribute('content', dark ? '#171716' : '#ffffff')
  var language = read('shortline.language') || navigator.language || 'en'
  root.lang = language.toLowerCase().indexOf('zh') === 0 ? 'zh-CN' : 'en'
})()
