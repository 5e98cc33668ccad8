"""Symbols of the chemical elements."""

from __future__ import annotations

__all__ = ["SYMBOLS", "atomic_number"]

_TABLE = """
H He
Li Be B C N O F Ne
Na Mg Al Si P S Cl Ar
K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr
Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe
Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn
Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og
"""

# by atomic number; "" stands at 0
SYMBOLS: tuple[str, ...] = ("", *_TABLE.split())

_NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS) if symbol}


def atomic_number(symbol: str) -> int:
    """Return the atomic number for a symbol such as "C" or "CL", or for a number such as "6".

    Raises
    ------
    ValueError
        If the element is unknown.
    """
    text = symbol.strip()
    number = _NUMBERS.get(text.capitalize(), 0)
    if not number and text.isascii() and text.isdigit() and len(text) < 4:
        number = int(text)
    if not 1 <= number < len(SYMBOLS):
        raise ValueError(
            f"unknown element {symbol!r}: expected a symbol such as C or Cl, or an atomic number "
            f"from 1 to {len(SYMBOLS) - 1}"
        )
    return number
