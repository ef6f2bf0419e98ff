"""Sidecars as processes that act for pods, with their tokens, on real etcd and a real kube-apiserver."""
