#!/bin/sh
# Writes pyproject.toml and uv.lock anew, as the real script does: it deletes both first, so that whoever runs it must be
# ready to restore them. Wants uv on PATH: nix develop .#uv -c ./update-overrides.sh
set -eu
cd "$(dirname "$0")"
rm -f pyproject.toml uv.lock
uv init --bare --name inventree-nix
uv add --requirements InvenTree/requirements.txt
