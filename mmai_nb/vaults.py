"""Keys that other programs keep for the user: Colab's secrets, and the system's keyring.

Both are asked at need only, and never imported where they are not in use. This module imports
nothing of the package; a vault that refuses is a plain ValueError that says what to do.
"""

from __future__ import annotations

import sys

__all__ = ["SERVICE", "colab_secret", "keyring_secret"]

SERVICE = "mmai_nb"
"""The keyring's service: `keyring set mmai_nb OPENAI_API_KEY` puts a key there."""


def colab_secret(variable: str) -> str | None:
    """The secret of this name in Colab; None where there is none, or this is not Colab.

    Only the main thread may ask: the browser answers through it.

    Raises:
        ValueError: the notebook may not read it, or the browser does not answer.
    """
    if "google.colab" not in sys.modules:
        return None
    try:
        from google.colab import userdata
    except ImportError:
        return None
    try:
        return str(userdata.get(variable) or "")
    except Exception as error:
        kind = type(error).__name__
        if kind == "SecretNotFoundError":
            return None
        if kind == "NotebookAccessError":
            raise ValueError(
                f"this notebook may not read {variable} of Colab's secrets: give it access there "
                "(the key at the left), then run the cell again"
            ) from None
        raise ValueError(f"Colab's secrets do not answer ({kind}): set {variable}") from None


def keyring_secret(variable: str) -> str | None:
    """The password of this name in the system's keyring, under the service mmai_nb; or None.

    Raises:
        ValueError: the package keyring is missing, or there is no keyring that it can open.
    """
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise ValueError(
            "the setting keyring needs a package: pip install keyring, or set keyring to false"
        ) from None
    try:
        return str(keyring.get_password(SERVICE, variable) or "")
    except keyring.errors.KeyringError as error:
        raise ValueError(
            f"the keyring cannot be read ({type(error).__name__}): set {variable}, or set keyring "
            "to false"
        ) from None
