#!/usr/bin/env bash
# Start a Ray head of one's own on this machine, or let this machine join one, with token authentication, and say how
# to use it. Ctrl-C ends it.
#
#   cluster/local.sh [ADDRESS [HEAD]]
#
# ADDRESS is that of this machine by which others reach it, for a cluster of several; default 127.0.0.1. HEAD is the
# head's ADDRESS:PORT, to join it. PORT is the first of eleven ports (default 6380) and WORKER_PORT the first of a hundred
# for processes of jobs (default 20000), so that it can stand beside another Ray. The token is in RAY_AUTH_TOKEN_PATH
# (default ~/.ray/auth_token); a head makes it where there is none.
set -euo pipefail

address=${1:-127.0.0.1}
head=${2:-}
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
  if [ -n "$head" ]; then
    echo "local.sh: no token in $token; copy the head's ~/.ray/auth_token there, and chmod 600" >&2
    exit 1
  fi
  mkdir -p "$(dirname "$token")"
  python3 -c 'import secrets; print(secrets.token_hex(32), end="")' > "$token"
fi
chmod 600 "$token"

of_each=(--block --disable-usage-stats
  --temp-dir="${TMPDIR:-/tmp}/ray-$UID-$port"
  --node-ip-address="$address"
  --node-manager-port="$((port + 1))"
  --object-manager-port="$((port + 2))"
  --dashboard-agent-listen-port="$((port + 3))"
  --dashboard-agent-grpc-port="$((port + 4))"
  --runtime-env-agent-port="$((port + 5))"
  --metrics-export-port="$((port + 6))"
  --min-worker-port="$worker_port" --max-worker-port="$((worker_port + 99))")

if [ -n "$head" ]; then
  echo "Joining $head as $address; ends with Ctrl-C (or: kill $$)"
  exec ray start --address="$head" "${of_each[@]}"
fi

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
  echo "On each machine that is to join, with the same project and this token in ~/.ray/auth_token (chmod 600):"
  echo "  cluster/local.sh ITS_ADDRESS $address:$port"
fi

export AUTOSCALER_METRIC_PORT=$((port + 9)) DASHBOARD_METRIC_PORT=$((port + 10)) # have no flags
exec ray start --head "${of_each[@]}" \
  --port="$port" \
  --dashboard-host=127.0.0.1 --dashboard-port="$((port + 7))" \
  --ray-client-server-port="$((port + 8))"
