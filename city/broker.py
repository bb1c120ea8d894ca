"""What a mosquitto needs to serve one city: TLS both ways, client id = certificate name = node, nothing kept on disk.

The access list is that of contracts 5.3. It limits nuisance; safety never rests on it, because every frame and document
is signed. The broker keeps no messages: the nodes' ledgers are the only queue.
"""

from pathlib import Path

CITY_CLIENT = "city.ingest"
"""Certificate name of `ehc-city serve`; its dot keeps it apart from every node's name."""

_PACKET_BYTES_MAX = 1_114_112  # a document of 1 MiB (contracts 3) and its topic; a frame is at most 128 KiB
_QUEUED_MESSAGES_MAX = 2_000  # for a worker that is away for moments: 6,000 nodes' hellos come spread over minutes

ACCESS_LIST = f"""\
# A node writes its own up/#, reads its own down/# and what is for all (%u is the name in its certificate).
pattern write ehc/1/%u/up/#
pattern read ehc/1/%u/down/#
pattern read ehc/1/all/doc/#

user {CITY_CLIENT}
topic read ehc/1/+/up/#
topic write ehc/1/+/down/#
topic write ehc/1/all/doc/#
"""


def configuration(*, host: str, port: int, access_list: Path, tls: Path) -> str:
    """The text of a mosquitto.conf.

    Args:
        host: Address to listen on.
        port: TCP port.
        access_list: File with `ACCESS_LIST`.
        tls: Folder with ``ca.pem``, ``broker.pem`` and ``broker.key``.
    """
    return f"""\
# Made by `ehc-city init`. mosquitto -c THIS_FILE
listener {port} {host}
cafile {tls / "ca.pem"}
certfile {tls / "broker.pem"}
keyfile {tls / "broker.key"}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
acl_file {access_list}
# As root it would drop to a user that cannot read the key.
user root
persistence false
set_tcp_nodelay true
max_packet_size {_PACKET_BYTES_MAX}
max_queued_messages {_QUEUED_MESSAGES_MAX}
log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages false
"""
