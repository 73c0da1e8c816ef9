# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""The survey for people. Pure."""

from __future__ import annotations


def size(number: int) -> str:
    """Bytes in the largest unit of which there is at least one."""
    if number < 1024:
        return f"{number} bytes"
    value, units = number / 1024, ["KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.1f} {units[0]}"


def span(releases: list[str]) -> str:
    """The releases of one revision."""
    if not releases:
        return "no release of MLflow that is known here"
    # Not all of them need follow one another, but nearly always they do.
    if len(releases) <= 3:
        return f"MLflow {', '.join(releases)}"
    return f"MLflow {releases[0]} to {releases[-1]} ({len(releases)} releases)"


def _counted(name: str, found: dict) -> str:
    number = found["rows"]
    return f"{name} {'' if found['exact'] else 'about '}{'many' if number is None else number}"


def _client(found: dict) -> str:
    program = f" ({found['application_name']})" if found["application_name"] else ""
    return f"{found['count']} by {found['user']}{program}" + (f" from {found['address']}" if found["address"] else "")


def _record(record: dict | None) -> str:
    if record is None:
        return "none"
    if "unreadable" in record:
        return record["unreadable"]
    return f"artifacts in {record['destination']}, since {record['recorded_at']}"


def of_database(each: dict) -> list[str]:
    """The lines below a database's own."""
    lines = [f"login: {each['login']}"] if each["login"] else []
    if each["revision"]:
        behind = "unknown to this image" if each["behind"] is None else f"{each['behind']} behind this image's"
        lines.append(f"release: {span(each['releases'])}; its revision is {behind} {each['head']}")
    if each["size"] is not None:
        lines.append(f"size: {size(each['size'])}")
    if each["rows"]:
        lines.append("rows: " + ", ".join(_counted(name, found) for name, found in each["rows"].items()))
    lines += [
        f"artifacts: {found['count']} in {found['column']} like {found['example']}: {found['kind']}, {found['by']}"
        for found in each.get("locations", [])
    ]
    lines += [f"artifacts: {column} was not read, it is too large" for column in each.get("locations_unread", [])]
    lines.append("connected: " + (", ".join(map(_client, each["clients"])) or "nobody else"))
    lines.append(f"record of a deployment: {_record(each['record'])}")
    if each["beside"]:
        lines.append(f"other tables: {', '.join(each['beside'])}")
    if each["elsewhere"]:
        lines.append(f"another MLflow: in schema {', '.join(each['elsewhere'])}")
    return ["    " + line for line in lines]


def of_steps(steps: dict) -> list[str]:
    """What the schema step would do in each mode."""
    lines = []
    for mode, each in steps.items():
        would = ", ".join(each["planned"]) or "change nothing"
        lines.append(
            f"  schema --mode {mode}: {each['status']}" + (f", would {would}" if not each["exit_code"] else "")
        )
        lines += [f"    {found['severity']} {found['code']}: {found['message']}" for found in each["findings"]]
    return lines
