"""Every setting, declared once: its flag, environment variable, unit, default and check.

The flag is the field's name with dashes; the environment variable ``LEADER_SIDECAR_`` and the name in capitals.
``build`` refuses what cannot work, with the setting, its value and the mend.
"""
