"""SM2, SM3, SM4 and certificates: the one door to libcrypto, cryptography and gmssl.

Callers import from here (certificates of the MQTT link from `edge.gm.x509`, which is slower to load) and never see a
type or an exception of those libraries.
"""

from edge.gm.keys import (
    Backend,
    PrivateKey,
    PublicKey,
    default_backend,
    generate,
    gmssl_backend,
    libcrypto_backend,
    private_key,
    public_key,
)
from edge.gm.symmetric import hmac_sm3, random_bytes, sm3, sm4_gcm_open, sm4_gcm_seal

__all__ = [
    "Backend",
    "PrivateKey",
    "PublicKey",
    "default_backend",
    "generate",
    "gmssl_backend",
    "hmac_sm3",
    "libcrypto_backend",
    "private_key",
    "public_key",
    "random_bytes",
    "sm3",
    "sm4_gcm_open",
    "sm4_gcm_seal",
]
