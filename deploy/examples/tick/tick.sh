#!/usr/bin/env bash
# Ticks a counter in a store that checks tokens, only while this pod leads: bash tick.sh. Needs bash and curl.

sidecar=${LEADER_SIDECAR_URL:-http://localhost:4040}
store=${STORE_URL:-http://localhost:8080}
tick_ms=500 tick_seconds=0.5 # what a tick may take: none is started when less of the lead is left
pause=0.2

look_at_clock() { # sets now, in milliseconds of CLOCK_BOOTTIME, which counts suspend, too
    read -r now _ </proc/uptime
    now=$((10#${now/./} * 10))
}

ask() { # curl's options: sets status, 000 when no answer came, and body
    body=$(curl --silent --noproxy '*' --max-time 1 --write-out '\n%{http_code}' "$@")
    status=${body##*$'\n'}
    body=${body%$'\n'*}
}

field() { # NAME: its value in body
    [[ $body =~ \"$1\":\ *\"?([^,\"}]*) ]] && echo "${BASH_REMATCH[1]}"
}

tick() { # TOKEN
    ask --max-time "$tick_seconds" --request POST "$store/tick?token=$1"
    echo "token $1: $status $body"
}

stop() {
    kill $(jobs -p) 2>/dev/null
    ask --request POST "$sidecar/resign" # nothing is under way any more: the next one need not wait
    exit 0
}

trap stop TERM # runs between two commands, so a tick that has begun is finished
while :; do
    look_at_clock
    sent=$now # validity counts from here, however late the answer is read
    ask "$sidecar/leader"
    if [ "$status" = 503 ]; then # a follower waits here until something changes; TERM interrupts wait alone
        poll="$sidecar/leader?wait=30&since=$(field version)"
        curl --silent --noproxy '*' --max-time 35 --output /dev/null "$poll" &
        wait $!
        continue
    elif [ "$status" = 200 ]; then
        valid_ms=$(field valid_for_ms)
        token=$(field token)
        look_at_clock
        if ((now + tick_ms < sent + valid_ms)); then
            tick "$token" # a pause right here is what the token is for
        fi
    fi
    sleep "$pause"
done
