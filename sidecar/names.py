"""Which names Kubernetes and this project accept. Each function gives the reason against a name, None when it is fine.

Rules: Kubernetes' "Labels and selectors" and "Object names" (RFC 1123 subdomains).
"""

import re

MAX_ELECTION = 57
"""A label's name has at most 63 characters, and the token's annotation is the same name with ``.token`` behind it."""

MAX_SERVICE = 63
"""Kubernetes' own limit for a Service; it is also a label's value on its slices."""

_MAX_LABEL_NAME = 63
_MAX_SUBDOMAIN = 253
_ANNOTATION_SUFFIX = ".token"
_RESERVED = frozenset({"inject"})

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_SERVICE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_ELECTION = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def election_problem(name: str) -> str | None:
    """An election's name is the name part of its pod label."""
    if len(name) > MAX_ELECTION:
        return f"has {len(name)} characters, use at most {MAX_ELECTION}"
    if not _ELECTION.fullmatch(name):
        return "use lowercase letters, digits, '-' and '.', with a letter or digit first and last"
    if name in _RESERVED or name.endswith(_ANNOTATION_SUFFIX):
        return f"is reserved: choose another, that does not end in {_ANNOTATION_SUFFIX}"
    return None


def service_problem(name: str) -> str | None:
    """A Service's name. Kubernetes has begun to allow a digit first (RFC 1123)."""
    if len(name) > MAX_SERVICE:
        return f"has {len(name)} characters, use at most {MAX_SERVICE}"
    if not _SERVICE.fullmatch(name):
        return "use lowercase letters, digits and '-', with a letter or digit first and last"
    return None


def subdomain_problem(name: str) -> str | None:
    """The part of a label's key before the slash."""
    if len(name) > _MAX_SUBDOMAIN:
        return f"has {len(name)} characters, use at most {_MAX_SUBDOMAIN}"
    if not _SUBDOMAIN.fullmatch(name):
        return "use a DNS name: lowercase letters, digits, '-' and '.', each part with a letter or digit first and last"
    return None


def label_key_problem(key: str) -> str | None:
    """A key for a label that gets a token annotation of its own: the name part is held shorter than Kubernetes does."""
    prefix, slash, name = key.rpartition("/")
    if slash:
        reason = subdomain_problem(prefix)
        if reason:
            return f"its prefix {prefix!r}: {reason}"
    if len(name) > MAX_ELECTION:
        return f"its name has {len(name)} characters, use at most {MAX_ELECTION} (the token's annotation adds 6)"
    if not _LABEL_NAME.fullmatch(name):
        return "its name: use letters, digits, '-', '_' and '.', with a letter or digit first and last"
    if name.endswith(_ANNOTATION_SUFFIX):
        return f"its name: must not end in {_ANNOTATION_SUFFIX}, which is the token's annotation"
    return None


def label_value_problem(value: str) -> str | None:
    """A label's value; an empty one, which Kubernetes allows, says nothing here and is refused."""
    if len(value) > _MAX_LABEL_NAME:
        return f"has {len(value)} characters, use at most {_MAX_LABEL_NAME}"
    if not _LABEL_NAME.fullmatch(value):
        return "use letters, digits, '-', '_' and '.', with a letter or digit first and last"
    return None
