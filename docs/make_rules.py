"""Write docs/rules.md, what each rule of the training doctor finds, from the rules.

    python docs/make_rules.py

The examples are records made by hand, each of which shows what one rule looks for; what
the rule says of it is what stands on the page.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[1]
PAGE = ROOT / "docs" / "rules.md"
BEGIN = """# The rules of the training doctor

`kcomponents.doctor.RULES` are asked in this order, causes before symptoms. A rule is a
function of what was recorded; what it finds has a label, evidence in numbers, how bad
it is, and remedies with code to paste. Below each rule stands what it says of a record
made to show it. `examine(record, rules=["dead_relu"])` asks some of them only, and [a
rule of your own](extending.md) may stand among them.
"""


def example(rule):
    """Return what a rule finds in the record that shows it."""
    sys.path.insert(0, str(ROOT))
    from kcomponents.doctor import examine
    from tests.doctor.cases import SICK, SICK_TOO, sick

    names = {"wrong_output": "wrong_loss_or_output_activation"}
    name = names.get(rule.__name__, rule.__name__)
    if name not in SICK | SICK_TOO:
        raise KeyError(f"tests/doctor/cases.py must have a case for the rule {name}.")
    return examine(sick(name), rules=[rule]).findings[0]


def section(rule):
    """Return what the page says of a rule."""
    finding = example(rule)
    found = rule.__doc__.strip().partition("\n")[0].removeprefix("Find ")
    where = f", at `{finding.where}`" if finding.where else ""
    parts = [
        f"## {rule.__name__}",
        f"Looks for {found}",
        f"Label `{finding.rule}`, severity {finding.severity}{where}:",
        f"> {' '.join(finding.evidence)}",
        "What helps:" if finding.remedies else "",
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
