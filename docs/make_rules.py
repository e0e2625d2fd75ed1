"""Write docs/rules.md, the reference of the training doctor's rules.

    python docs/make_rules.py

Each example on the page is the finding of one rule on a record made for it, from
`tests/doctor/cases.py`.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[1]
PAGE = ROOT / "docs" / "rules.md"
BEGIN = """# The rules of the training doctor

The rules in `kcomponents.doctor.RULES` run in this order, causes before symptoms. Each
takes the record of a run and returns findings with a label, a severity, evidence in
numbers, and remedies with code to paste. Below, each rule is shown with its finding
on an example. `examine(record, rules=["dead_relu"])` runs only some of the rules, and
[your own rules](extending.md) can be among them.
"""


def example(rule):
    """Return the finding of a rule on the record made for it."""
    sys.path.insert(0, str(ROOT))
    from kcomponents.doctor import examine
    from tests.doctor.cases import SICK, SICK_TOO, sick

    names = {"wrong_output": "wrong_loss_or_output_activation"}
    name = names.get(rule.__name__, rule.__name__)
    if name not in SICK | SICK_TOO:
        raise KeyError(f"tests/doctor/cases.py must have a case for the rule {name}.")
    return examine(sick(name), rules=[rule]).findings[0]


def section(rule):
    """Return the section of a rule."""
    finding = example(rule)
    purpose = rule.__doc__.strip().partition("\n")[0].removeprefix("Find ")
    where = f", at `{finding.where}`" if finding.where else ""
    parts = [
        f"## {rule.__name__}",
        f"Finds {purpose}",
        f"Label `{finding.label}`, severity {finding.severity}{where}:",
        f"> {' '.join(finding.evidence)}",
        "Remedies:" if finding.remedies else "",
    ]
    for number, remedy in enumerate(finding.remedies, 1):
        code = "\n".join(f"   {line}".rstrip() for line in remedy.code.splitlines())
        parts.append(f"{number}. {remedy.reason}\n\n   ```python\n{code}\n   ```")
    return "\n\n".join(part for part in parts if part)


def page():
    """Return the whole page."""
    from kcomponents.doctor import RULES

    return "\n\n".join([BEGIN.rstrip(), *map(section, RULES)]) + "\n"


def main():
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {page().count(chr(10) + '## ')} rules")


if __name__ == "__main__":
    main()
