#!/bin/sh
# Runs a command only while this pod leads: lead.sh COMMAND... For images without Python; needs sh, curl and setsid.
#
# It has no guard: if this shell itself stands still, the command goes on past its lead. leader-sidecar exec has one.
#
# An answer counts if it holds for 1.5 s from when the question was sent. The next question has failed at most 0.8 s
# after that: 0.3 s for each answer, 0.2 s between. 0.4 s from TERM to KILL, and 0.3 s are left.
url="http://${SIDECAR:-localhost:4040}"
child=

token() {
    curl --silent --fail --max-time 0.3 --dump-header - --output /dev/null "$url/leader" | tr -d '\r' | awk '
        tolower($1) == "x-leader-token:" { token = $2 }
        tolower($1) == "x-leader-valid-ms:" { valid_ms = $2 }
        END { if (valid_ms < 1500) exit 1; print token }'
}

stop() {
    kill -TERM "-$child" 2>/dev/null && sleep 0.4
    kill -KILL "-$child" 2>/dev/null
    wait "$child"
}

trap '[ -z "$child" ] || stop; exit 143' TERM INT
while :; do
    until LEADER_SIDECAR_TOKEN=$(token); do sleep 0.2; done
    export LEADER_SIDECAR_TOKEN
    setsid "$@" &
    child=$!
    while kill -0 "$child" 2>/dev/null && [ "$(token)" = "$LEADER_SIDECAR_TOKEN" ]; do sleep 0.2; done
    if kill -0 "$child" 2>/dev/null; then
        stop
    else # it ended by itself: the lead goes to another
        kill -KILL "-$child" 2>/dev/null
        wait "$child"
        curl --silent --max-time 5 --request POST "$url/resign"
    fi
    child=
done
