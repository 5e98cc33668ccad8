"""Checks of options that several commands share."""

from __future__ import annotations


def require_device(name: str) -> None:
    """Raise ValueError if PyTorch does not know a device, or does not find it here."""
    from simec.data.inputs import check_device, choose_device

    check_device(name)
    try:
        choose_device(name)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
