module leader-sidecar/tests/tools/node-pause

go 1.26.0
