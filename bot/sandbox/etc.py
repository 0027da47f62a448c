"""The /etc that a sandbox sees: made up, so that it says nothing of the host, yet real enough for test suites.

Called by flags.py and session.py. Without these files Python's own socket, ssl and shutil tests fail (SANDBOX.md).
"""

from pathlib import Path

from bot.sandbox.protocol import Network

SYNTHETIC = {
    "passwd": "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nu:x:1000:1000:u:/home/u:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "group": "root:x:0:\nu:x:1000:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost sbx\n::1 localhost sbx\n",
    "host.conf": "multi on\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    "services": "ftp 21/tcp\nssh 22/tcp\nsmtp 25/tcp\ndomain 53/tcp\ndomain 53/udp\nhttp 80/tcp\npop3 110/tcp\n"
    "ntp 123/udp\nimap2 143/tcp\nhttps 443/tcp\nimaps 993/tcp\n",
    "protocols": "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6 41 IPv6\nipv6-icmp 58 IPv6-ICMP\n",
    "resolv.conf": "",
}

# Public and the same for everybody: certificates, types, and Debian's links from /usr/bin/awk and the like.
SHARED = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/certs",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
)

# Where the host's own network is shared, names must resolve as they do there.
RESOLVER = ("/etc/hosts", "/etc/resolv.conf", "/etc/gai.conf")

BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
BUNDLE_NAMES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS")


def variables(network: Network) -> dict[str, str]:
    """What makes installers trust the certificates of this machine (a company has its own), not those they bring."""
    bundle = next((path for path in BUNDLES if Path(path).is_file()), "")
    return dict.fromkeys(BUNDLE_NAMES, bundle) if bundle and network is Network.INSTALL else {}


def binds(files: str, network: Network) -> list[str]:
    """The read-only binds of /etc for bwrap; the synthetic files lie in the folder `files`."""
    real = [*SHARED, *(RESOLVER if network is Network.INSTALL else ())]
    flags: list[str] = []
    for name in SYNTHETIC:
        if f"/etc/{name}" not in real:
            flags += ["--ro-bind", f"{files}/{name}", f"/etc/{name}"]
    for path in real:
        if (source := Path(path)).exists():
            flags += ["--ro-bind", str(source.resolve()), path]
    return flags
