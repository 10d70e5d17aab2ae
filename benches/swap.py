"""Prints what benches/swap.sh found, and says by its exit status whether every case ended as it must."""

import json
import pathlib
import sys


def main():
    results, cases = pathlib.Path(sys.argv[1]), sys.argv[2:]
    reports = {case: json.loads((results / f"{case}.json").read_text(encoding="utf-8")) for case in cases}
    control = reports.get("control")
    print(f"\n{'':<10}{'sent':>8}{'failed':>8}{'longest gap':>14}{'beside control':>16}{'p50':>10}{'p99':>10}{'max':>10}  WebSockets ended (while sending)")
    wrong = []
    for case, report in reports.items():
        ratio = f"{report['longest_gap_ms'] / control['longest_gap_ms']:.1f}×" if control else "-"
        print(
            f"{case:<10}{report['sent']:>8}{report['failed']:>8}{report['longest_gap_ms']:>11.1f} ms{ratio:>16}"
            f"{report['p50_ms']:>7.1f} ms{report['p99_ms']:>7.1f} ms{report['max_ms']:>7.0f} ms"
            f"  {report['sockets_ended'] + report['sockets_ended_crossing']} ({report['sockets_ended_crossing']})"
        )
        if case == "recreate" and report["failed"] == 0:
            wrong.append("recreate failed nothing: this load would not see a gap")
        if case != "recreate" and report["failed"] > 0:
            wrong.append(f"{case}: {report['failed']} failed")
        if case not in ("control", "never") and not {"v1", "v2"} <= report["versions"].keys():
            wrong.append(f"{case}: only {sorted(report['versions'])} answered")
    for line in wrong:
        print(f"WRONG: {line}")
    sys.exit(1 if wrong else 0)


main()
