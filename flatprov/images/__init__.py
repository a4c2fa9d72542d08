"""Images: found, verified, downloaded, unpacked, remembered. Nothing unverified boots.

``obtain`` is the way in. The order is always: signature of the digests, SHA-512 while downloading, only then unpacking.
Nothing is imported here, so that the plugin starts quickly: httpx and pysequoia are loaded when first used.
"""
