"""The image, without a node: ``make test-node`` runs these first."""
