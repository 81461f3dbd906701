"""``python -m benchmarks.peers --install PEER``: get a peer; without arguments: which there are."""

from __future__ import annotations

import sys

from .install import PEERS, InstallError, folder, how_to_get, install, is_installed


def main(arguments: list[str]) -> int:
    """Entry point; returns the exit code."""
    match arguments:
        case []:
            for peer in PEERS:
                print(f"{peer} is in {folder(peer)}" if is_installed(peer) else how_to_get(peer))
            return 0
        case ["--install", peer]:
            print(f"installing {peer} (it may take some minutes)", flush=True)
            try:
                print(f"{peer} is in {install(peer)}")
            except InstallError as error:
                print(error, file=sys.stderr)
                return 1
            return 0
    print(f"usage: mixminus bench peers [--install {{{','.join(PEERS)}}}]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
