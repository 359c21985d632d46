#!/usr/bin/env bash
# Start a Ray head of one's own on this machine, with token authentication, and say how to use it. Ctrl-C ends it.
#
#   cluster/local.sh [ADDRESS]
#
# ADDRESS is that of this machine by which others reach it, to let them join; default 127.0.0.1. PORT is the first of
# its nine ports (default 6380) and WORKER_PORT the first of a hundred for its processes (default 20000), so that it can
# stand beside another Ray. The token is in RAY_AUTH_TOKEN_PATH (default ~/.ray/auth_token); it is made where there is
# none.
set -euo pipefail

address=${1:-127.0.0.1}
port=${PORT:-6380}
worker_port=${WORKER_PORT:-20000}
token=${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$token
export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0 # Ctrl-C need not wait for the work of one's own head
unset RAY_ADDRESS RAY_AUTH_TOKEN # either would lead elsewhere

if ! command -v ray > /dev/null; then
  echo "local.sh: no ray on PATH; first: make setup && . .venv/bin/activate" >&2
  exit 1
fi
umask 077 # for the token and what Ray writes
if [ ! -s "$token" ]; then
  mkdir -p "$(dirname "$token")"
  python3 -c 'import secrets; print(secrets.token_hex(32), end="")' > "$token"
fi
chmod 600 "$token"

cat << TEXT
Ray head at $address:$port; it answers within half a minute, and ends with Ctrl-C (or: kill $$)

In another terminal of this machine, in the project's folder:
  export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$token
  export RAY_API_SERVER_ADDRESS=http://127.0.0.1:$((port + 7))
  ray job submit --working-dir . --runtime-env cluster/runtime_env.yaml -- python jobs/prepare.py --help
TEXT
if [ "$address" = 127.0.0.1 ]; then
  echo "To let other machines join, end it and start it with the address by which they reach this one."
else
  cat << TEXT

On each machine that is to join, with the same versions, and this token in ~/.ray/auth_token (chmod 600):
  RAY_AUTH_MODE=token ray start --address=$address:$port --block
TEXT
fi

exec ray start --head --block --disable-usage-stats \
  --temp-dir="${TMPDIR:-/tmp}/ray-$UID-$port" \
  --node-ip-address="$address" \
  --port="$port" \
  --node-manager-port="$((port + 1))" \
  --object-manager-port="$((port + 2))" \
  --dashboard-agent-listen-port="$((port + 3))" \
  --dashboard-agent-grpc-port="$((port + 4))" \
  --runtime-env-agent-port="$((port + 5))" \
  --metrics-export-port="$((port + 6))" \
  --dashboard-host=127.0.0.1 --dashboard-port="$((port + 7))" \
  --ray-client-server-port="$((port + 8))" \
  --min-worker-port="$worker_port" --max-worker-port="$((worker_port + 99))"
