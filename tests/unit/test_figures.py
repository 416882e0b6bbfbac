"""The figures of the code get no worse; and they are counted right."""

from __future__ import annotations

from grimp import ImportGraph

from tests.figures.figures import Figure, figures
from tests.figures.functions import functions_of, percentile
from tests.figures.imports import folder_cycles, module_cycles

BRANCHED = """
def counted(items):
    '''A docstring is no line of the body.'''
    for item in items:
        if item and item.one or item.two:
            yield item
    match items:
        case []:
            pass
        case _:
            return [one for one in items if one]

    def within() -> None:
        while True:
            pass
"""


def graph(*imports: tuple[str, str]) -> ImportGraph:
    made = ImportGraph()
    for importer, imported in imports:
        for module in (importer, imported):
            for depth in range(module.count(".") + 1):
                made.add_module(".".join(module.split(".")[: depth + 1]))
        made.add_import(importer=importer, imported=imported)
    return made


def test_no_figure_is_worse_than_it_may_be() -> None:
    assert [figure for figure in figures() if not figure.is_within_its_limit] == []


def test_what_is_worse_than_it_may_be_is_seen() -> None:
    assert not Figure("lines", 12, 11).is_within_its_limit
    assert Figure("lines", 11, 11).is_within_its_limit
    assert Figure("lines", 12, None).is_within_its_limit


def test_a_body_is_counted_without_its_docstring_and_a_function_within_for_itself() -> None:
    counted, within = functions_of(BRANCHED, "module.py")
    assert (counted.place, counted.name, counted.body) == ("module.py:2", "counted", 12)
    assert (within.name, within.body) == ("within", 2)


def test_complexity_is_one_and_one_for_each_decision() -> None:
    loop, condition, operators, case, comprehension, its_condition = 1, 1, 2, 1, 1, 1
    counted, within = functions_of(BRANCHED, "module.py")
    assert counted.complexity == 1 + loop + condition + operators + case + comprehension + its_condition
    assert within.complexity == 2


def test_a_function_says_what_it_returns_or_does_not() -> None:
    assert [found.says_what_it_returns for found in functions_of(BRANCHED, "module.py")] == [False, True]


def test_a_percentile_is_a_value_that_is_there() -> None:
    assert percentile([3, 1, 2, 4, 5, 6, 7, 8, 9, 50], 0.9) == 9
    assert percentile([7], 0.5) == 7


def test_modules_that_import_each_other_by_way_of_a_third_are_a_cycle() -> None:
    tied = graph(("a.one", "a.two"), ("a.two", "a.three"), ("a.three", "a.one"), ("a.four", "a.one"))
    assert module_cycles(tied) == {frozenset({"a.one", "a.two", "a.three"})}


def test_folders_are_a_cycle_where_no_modules_are() -> None:
    tied = graph(("a.x.one", "a.y.one"), ("a.y.two", "a.x.two"), ("a.z", "a.x.one"))
    assert module_cycles(tied) == set()
    assert folder_cycles(tied) == {frozenset({"a.x", "a.y"})}


def test_a_cycle_of_folders_is_found_where_it_lies_deeper() -> None:
    tied = graph(("a.b.x.one", "a.b.y.one"), ("a.b.y.two", "a.b.x.two"))
    assert folder_cycles(tied) == {frozenset({"a.b.x", "a.b.y"})}
