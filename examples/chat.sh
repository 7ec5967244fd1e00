#!/bin/sh
# The same with curl: sh examples/chat.sh [BASE_URL]
curl --no-progress-meter --fail-with-body "${1:-http://127.0.0.1:20000/v1}/chat/completions" \
  -H 'content-type: application/json' \
  -d '{"model": "shortline-mini", "messages": [{"role": "user", "content": "你好"}]}'
