"""The image and the chart on a real node: ``make test-node``. Everything here runs within the node's namespaces."""
