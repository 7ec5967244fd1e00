/** Texts that would act, load or leave if a page let them. */

const TAGS = [
  '<script>alert(1)</script>', '<SCRIPT SRC=//x.example/a.js></SCRIPT>', '<img src=x onerror=alert(1)>',
  '<img/src="x"/onerror=alert(1)>', '<svg onload=alert(1)>', '<svg><script>alert(1)</script></svg>',
  '<svg><animate onbegin=alert(1) attributeName=x dur=1s>', '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
  '<svg><use href="data:image/svg+xml,<svg id=x onload=alert(1)>#x">', '<math><mtext><img src=x onerror=alert(1)></mtext></math>',
  '<math href="javascript:alert(1)">x</math>', '<math><maction actiontype="statusline#http://x" xlink:href="javascript:alert(1)">x</maction></math>',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
  '<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>',
  '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">', '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
  '<iframe src="javascript:alert(1)"></iframe>', '<iframe srcdoc="<script>alert(1)</script>">', '<object data="javascript:alert(1)">',
  '<embed src="javascript:alert(1)">', '<link rel=stylesheet href=//x.example/a.css>', '<meta http-equiv=refresh content="0;url=javascript:alert(1)">',
  '<base href="javascript:/a/">', '<style>*{background:url(//x.example/a)}</style>', '<style>@import "//x.example/a.css";</style>',
  '<form action="javascript:alert(1)"><button>x</button></form>', '<input autofocus onfocus=alert(1)>', '<button formaction="javascript:alert(1)">x</button>',
  '<video src=x onerror=alert(1)></video>', '<audio src=x onerror=alert(1)>', '<video><source onerror=alert(1)></video>',
  '<details open ontoggle=alert(1)>', '<body onload=alert(1)>', '<marquee onstart=alert(1)>', '<div onmouseover=alert(1)>x</div>',
  '<a href="javascript:alert(1)">x</a>', '<a href=" &#106;avascript:alert(1)">x</a>', '<x onclick=alert(1)>x</x>',
  '<template><script>alert(1)</script></template>', '<div style="background:url(javascript:alert(1))">', '<isindex type=image src=1 onerror=alert(1)>',
  '<!--<img src="--><img src=x onerror=alert(1)//">', '<![CDATA[<script>alert(1)</script>]]>', '<?xml version="1.0"?><script>alert(1)</script>',
  '<select><template><img src=x onerror=alert(1)></template></select>', '<xmp><p title="</xmp><svg/onload=alert(1)>">', '<a id=x name=y></a><form id=x>',
]

const ADDRESSES = [
  'javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'javascript&colon;alert(1)', '&#x6A;avascript:alert(1)', '&#106;avascript:alert(1)',
  'java%0ascript:alert(1)', 'javascript%3Aalert(1)', 'vbscript:msgbox(1)', 'data:text/html,<script>alert(1)</script>',
  'data:text/html;base64,PHNjcmlwdD4=', 'data:image/svg+xml;base64,PHN2Zz4=', 'data:image/png;base64,AAAA', 'file:///etc/passwd', 'blob:https://x/1',
  '//x.example/a', '/api/conversations', '\\x01javascript:alert(1)', 'jav\\&#x09;ascript:alert(1)', 'about:blank', 'ftp://x.example', 'tel:1', '#id',
  'http:javascript:alert(1)', 'https:/\\x', 'ws://x.example',
]
const LINKS = ADDRESSES.flatMap((url) => [`[x](${url})`, `[x](<${url}>)`, `![x](${url})`, `[x][r]\n\n[r]: ${url}`, `<${url}>`])

const QUOTES = [
  '[x](https://a.example/"onmouseover="alert(1))', '[x](https://a.example "t\\" onclick=\\"alert(1)")', "[x](https://a.example 't' onclick=alert(1))",
  '![a" onerror="alert(1)](https://a.example/p.png)', '![a](https://a.example/p.png" onerror="alert(1))', '![<img src=x onerror=alert(1)>](https://a.example)',
  '[<img src=x onerror=alert(1)>](https://a.example)', '<https://a.example/"onmouseover="alert(1)>', '`<img src=x onerror=alert(1)>`',
  '[![x](javascript:alert(1))](javascript:alert(2))', '- [x] <img src=x onerror=alert(1)>', '> [!NOTE] <img src=x onerror=alert(1)>',
  '> [!NOTE"onclick="alert(1)]\n> x', '| <img src=x onerror=alert(1)> |\n|--|\n| <script>alert(1)</script> |', '# <svg onload=alert(1)>',
]

const CODE = [
  '```"><img src=x onerror=alert(1)>\nx\n```', '```js" onclick="alert(1)\nx\n```', '```html\n<script>alert(1)</script>\n```', '```xml\n<img src=x onerror=alert(1)>\n',
  '    <script>alert(1)</script>', '~~~&quot;&gt;&lt;img&gt;\nx\n~~~', '```mermaid\ngraph TD\nA-->B\nclick A "javascript:alert(1)"\n```',
  '```mermaid\ngraph TD\nA["<img src=x onerror=alert(1)>"]\n```', '```mermaid\n%%{init: {"securityLevel": "loose"}}%%\ngraph TD\nclick A call alert()\n```',
]

const TEX = [
  '\\href{javascript:alert(1)}{x}', '\\url{javascript:alert(1)}', '\\includegraphics[height=1em]{https://x.example/a.png}', '\\htmlClass{x}{y}',
  '\\htmlId{x}{y}', '\\htmlStyle{background:url(//x.example)}{y}', '\\htmlData{x=y}{z}', '\\text{<img src=x onerror=alert(1)>}',
  '<script>alert(1)</script>', '\\def\\a{\\a\\a}\\a', '\\unknown{"><img src=x onerror=alert(1)>}', '\\color{red;background:url(//x.example)}x', '\\rule{1000000em}{1em}',
]
const FORMULAS = TEX.flatMap((tex) => [`$${tex}$`, `$$\n${tex}\n$$`, `\\(${tex}\\)`, `\\[${tex}\\]`])

export const PROBES: string[] = [...TAGS, ...LINKS, ...QUOTES, ...CODE, ...FORMULAS]
