"""Small wrong programs with their tests: what search repair is measured on.

Both halves were written before the first operator. HELD_OUT was not looked at while operators were written or tuned:
its solve rate is the honest one.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """A wrong module, its tests, and the text (`right`) that a person would put in place of `wrong`."""

    name: str
    source: str
    test: str
    wrong: str
    right: str

    @property
    def files(self) -> dict[str, str]:
        return {f"{self.name}.py": self.source, f"test_{self.name}.py": self.test}

    @property
    def fixed(self) -> str:
        assert self.source.count(self.wrong) == 1
        return self.source.replace(self.wrong, self.right)


DEVELOPED = (
    Program(
        "clamp",
        '''"""Keep numbers in a range."""


def clamp(value, low, high):
    """Return value, but never below low or above high."""
    if value > low:  # the lower bound
        return low
    if value > high:
        return high
    return value
''',
        """from clamp import clamp


def test_low():
    assert clamp(-5, 0, 10) == 0


def test_inside():
    assert clamp(5, 0, 10) == 5


def test_high():
    assert clamp(50, 0, 10) == 10
""",
        "value > low",
        "value < low",
    ),
    Program(
        "total",
        '''"""Sums over a basket."""

TAX = 0.2


def total(prices, quantity):
    result = 0
    for index in range(1, len(prices)):
        result += prices[index] * quantity[index]
    return result


def with_tax(amount):
    return amount * (1 + TAX)
''',
        """from total import total, with_tax


def test_two_lines():
    assert total([2, 3], [1, 4]) == 14


def test_empty():
    assert total([], []) == 0


def test_one():
    assert total([7], [1]) == 7


def test_tax():
    assert round(with_tax(100), 6) == 120
""",
        "range(1, len(prices))",
        "range(len(prices))",
    ),
    Program(
        "leap",
        """def is_leap(year):
    return year % 4 == 0 and year % 100 != 0 and year % 400 == 0


def days(year):
    return 366 if is_leap(year) else 365
""",
        """import pytest

from leap import days, is_leap


@pytest.mark.parametrize("year", [2000, 2024, 1996])
def test_leap(year):
    assert is_leap(year)


@pytest.mark.parametrize("year", [1900, 2023, 2100])
def test_not_leap(year):
    assert not is_leap(year)


def test_days():
    assert days(2024) == 366
    assert days(2023) == 365
""",
        "!= 0 and year % 400",
        "!= 0 or year % 400",
    ),
    Program(
        "search",
        """def find(items, wanted):
    low, high = 0, len(items)
    while low <= high:
        middle = (low + high) // 2
        if items[middle] == wanted:
            return middle
        if items[middle] < wanted:
            low = middle + 1
        else:
            high = middle - 1
    return -1
""",
        """from search import find


def test_found():
    assert find([1, 3, 5, 7], 5) == 2


def test_first():
    assert find([1, 3, 5, 7], 1) == 0


def test_last():
    assert find([1, 3, 5, 7], 7) == 3


def test_too_large():
    assert find([1, 3, 5, 7], 9) == -1


def test_empty():
    assert find([], 9) == -1
""",
        "0, len(items)\n",
        "0, len(items) - 1\n",
    ),
    Program(
        "transfer",
        '''class Account:
    """Money of one person, in cents."""

    def __init__(self, balance=0):
        self.balance = balance

    def withdraw(self, amount):
        if amount > self.balance:
            raise ValueError("not enough money")
        self.balance -= amount

    def deposit(self, amount):
        self.balance += amount


def move(source, target, amount):
    source.withdraw(amount)
    source.deposit(amount)
''',
        """import pytest

from transfer import Account, move


def test_move():
    one, two = Account(100), Account(0)
    move(one, two, 30)
    assert (one.balance, two.balance) == (70, 30)


def test_too_much():
    with pytest.raises(ValueError):
        move(Account(1), Account(), 2)
""",
        "source.deposit",
        "target.deposit",
    ),
    Program(
        "depth",
        """def depth(tree):
    if tree is None:
        return 0
    return 1 + min(depth(tree.get("left")), depth(tree.get("right")))


def size(tree):
    if tree is None:
        return 0
    return 1 + size(tree.get("left")) + size(tree.get("right"))
""",
        """from depth import depth, size

TREE = {"left": {"left": {}}, "right": {}}


def test_depth():
    assert depth(TREE) == 3


def test_leaf():
    assert depth({}) == 1


def test_none():
    assert depth(None) == 0


def test_size():
    assert size(TREE) == 4
""",
        "min(",
        "max(",
    ),
    Program(
        "overlay",
        """def overlay(base, extra):
    result = dict(base)
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = overlay(result[key], value)
        else:
            result[key] = value
    return base
""",
        """from overlay import overlay


def test_flat():
    assert overlay({"a": 1}, {"b": 2}) == {"a": 1, "b": 2}


def test_deep():
    assert overlay({"a": {"b": 1}}, {"a": {"c": 2}}) == {"a": {"b": 1, "c": 2}}


def test_nothing():
    assert overlay({"a": 1}, {}) == {"a": 1}
""",
        "return base",
        "return result",
    ),
    Program(
        "unique",
        '''def unique(items):
    """The items, each once, in their order. Größe unverändert."""
    seen = set()
    out = []
    for item in items:
        if item not in seen:
            out.append(item)
    return out
''',
        """from unique import unique


def test_repeated():
    assert unique([1, 2, 1, 3, 2]) == [1, 2, 3]


def test_empty():
    assert unique([]) == []


def test_single():
    assert unique("a") == ["a"]
""",
        "            out.append(item)\n",
        "            out.append(item)\n            seen.add(item)\n",
    ),
    Program(
        "celsius",
        """def celsius(fahrenheit):
    return fahrenheit - 32 * 5 / 9


def fahrenheit(celsius):
    return celsius * 9 / 5 + 32
""",
        """from celsius import celsius, fahrenheit


def test_boiling():
    assert celsius(212) == 100


def test_freezing():
    assert celsius(32) == 0


def test_back():
    assert fahrenheit(100) == 212
""",
        "fahrenheit - 32 *",
        "(fahrenheit - 32) *",
    ),
    Program(
        "median",
        """def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle] + ordered[middle + 1]) / 2
""",
        """from median import median


def test_odd():
    assert median([3, 1, 2]) == 2


def test_even():
    assert median([4, 1, 3, 2]) == 2.5


def test_pair():
    assert median([1, 2]) == 1.5
""",
        "middle + 1",
        "middle - 1",
    ),
    Program(
        "queue_walk",
        '''"""Breadth-first walks."""


def distances(graph, start):
    found = {start: 0}
    todo = [start]
    while todo:
        node = todo.pop()
        for other in graph.get(node, ()):
            if other not in found:
                found[other] = found[node] + 1
                todo.append(other)
    return found
''',
        """from queue_walk import distances

GRAPH = {"a": ["b", "c"], "c": ["d"], "d": ["e"], "b": ["e"], "e": []}


def test_far():
    assert distances(GRAPH, "a") == {"a": 0, "b": 1, "c": 1, "d": 2, "e": 2}


def test_leaf():
    assert distances(GRAPH, "e") == {"e": 0}
""",
        "todo.pop()",
        "todo.pop(0)",
    ),
    Program(
        "setting",
        """DEFAULTS = {"retries": 3, "timeout": 10}


def setting(values, name):
    value = values.get(name)
    if not value:
        return DEFAULTS[name]
    return value
""",
        """from setting import setting


def test_zero_is_a_value():
    assert setting({"retries": 0}, "retries") == 0


def test_default():
    assert setting({}, "timeout") == 10


def test_given():
    assert setting({"timeout": 5}, "timeout") == 5
""",
        "not value",
        "value is None",
    ),
)

HELD_OUT = (
    Program(
        "duration",
        """import re

UNITS = {"s": 1, "m": 60, "h": 360}
PART = re.compile(r"(\\d+)([smh])")


def seconds(text):
    return sum(int(number) * UNITS[unit] for number, unit in PART.findall(text))
""",
        """from duration import seconds


def test_hour():
    assert seconds("1h") == 3600


def test_mixed():
    assert seconds("1h30m") == 5400


def test_minutes():
    assert seconds("2m5s") == 125
""",
        "360}",
        "3600}",
    ),
    Program(
        "pages",
        """def page_count(total, per_page):
    return total // per_page


def page(items, number, per_page):
    start = (number - 1) * per_page
    return items[start : start + per_page]
""",
        """from pages import page, page_count


def test_rounds_up():
    assert page_count(11, 5) == 3


def test_exact():
    assert page_count(10, 5) == 2


def test_none():
    assert page_count(0, 5) == 0


def test_page():
    assert page([1, 2, 3, 4, 5], 2, 2) == [3, 4]
""",
        "total // per_page\n\n",
        "(total + per_page - 1) // per_page\n\n",
    ),
    Program(
        "lru",
        """from collections import OrderedDict


class Cache:
    def __init__(self, size):
        self.size = size
        self.items = OrderedDict()

    def get(self, key):
        if key not in self.items:
            return None
        self.items.move_to_end(key)
        return self.items[key]

    def put(self, key, value):
        self.items[key] = value
        self.items.move_to_end(key)
        if len(self.items) > self.size:
            self.items.popitem()
""",
        """from lru import Cache


def test_oldest_goes():
    cache = Cache(2)
    for key in "abc":
        cache.put(key, key.upper())
    assert cache.get("a") is None
    assert cache.get("c") == "C"


def test_use_refreshes():
    cache = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)
    assert cache.get("a") == 1
    assert cache.get("b") is None


def test_missing():
    assert Cache(1).get("x") is None
""",
        "popitem()",
        "popitem(last=False)",
    ),
    Program(
        "slug",
        """import re


def slug(title):
    words = re.findall(r"[A-Za-z0-9]+", title)
    return "-".join(words)


def shout(title):
    return title.strip().upper()


def whisper(title):
    return title.strip().lower()
""",
        """from slug import shout, slug, whisper


def test_lower():
    assert slug("Hello, World") == "hello-world"


def test_plain():
    assert slug("one two") == "one-two"


def test_cases():
    assert shout(" a ") == "A"
    assert whisper(" A ") == "a"
""",
        '"-".join(words)',
        '"-".join(words).lower()',
    ),
    Program(
        "intervals",
        """def merge(intervals):
    merged = []
    for start, end in sorted(intervals):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
""",
        """from intervals import merge


def test_touching():
    assert merge([(1, 2), (2, 3)]) == [(1, 3)]


def test_apart():
    assert merge([(4, 5), (1, 2)]) == [(1, 2), (4, 5)]


def test_inside():
    assert merge([(1, 9), (2, 3)]) == [(1, 9)]


def test_empty():
    assert merge([]) == []
""",
        "start < merged",
        "start <= merged",
    ),
    Program(
        "roman",
        """VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def number(text):
    result = 0
    for index, letter in enumerate(text):
        value = VALUES[letter]
        if index + 1 < len(text) and VALUES[text[index]] > value:
            result -= value
        else:
            result += value
    return result
""",
        """from roman import number


def test_subtractive():
    assert number("XIV") == 14
    assert number("MCMXC") == 1990


def test_plain():
    assert number("XVI") == 16


def test_single():
    assert number("C") == 100
""",
        "text[index]]",
        "text[index + 1]]",
    ),
    Program(
        "retry",
        """class Failed(Exception):
    pass


def retry(action, attempts):
    last = None
    for attempt in range(1, attempts):
        try:
            return action(attempt)
        except ValueError as error:
            last = error
    raise Failed(str(last))
""",
        """import pytest

from retry import Failed, retry


def works_at(wanted):
    def action(attempt):
        if attempt != wanted:
            raise ValueError(f"attempt {attempt}")
        return "done"

    return action


def test_last_attempt_counts():
    assert retry(works_at(3), 3) == "done"


def test_first():
    assert retry(works_at(1), 3) == "done"


def test_gives_up():
    with pytest.raises(Failed, match="attempt 2"):
        retry(works_at(5), 2)
""",
        "range(1, attempts)",
        "range(1, attempts + 1)",
    ),
    Program(
        "matrix",
        """def transpose(rows):
    height = len(rows)
    width = len(rows[0]) if rows else 0
    return [[rows[x][y] for y in range(height)] for x in range(width)]


def trace(rows):
    return sum(rows[i][i] for i in range(len(rows)))
""",
        """from matrix import trace, transpose


def test_wide():
    assert transpose([[1, 2, 3], [4, 5, 6]]) == [[1, 4], [2, 5], [3, 6]]


def test_square():
    assert transpose([[1, 2], [3, 4]]) == [[1, 3], [2, 4]]


def test_empty():
    assert transpose([]) == []


def test_trace():
    assert trace([[1, 2], [3, 4]]) == 5
""",
        "rows[x][y]",
        "rows[y][x]",
    ),
    Program(
        "flatten",
        """def flatten(items):
    for item in items:
        if isinstance(item, list):
            flatten(item)
        else:
            yield item
""",
        """from flatten import flatten


def test_nested():
    assert list(flatten([1, [2, [3]], 4])) == [1, 2, 3, 4]


def test_flat():
    assert list(flatten([1, 2])) == [1, 2]
""",
        "            flatten(item)",
        "            yield from flatten(item)",
    ),
    Program(
        "bucket",
        """class Bucket:
    def __init__(self, capacity, rate):
        self.capacity = capacity
        self.rate = rate
        self.tokens = capacity
        self.last = 0.0

    def take(self, now, count=1):
        self.tokens = self.tokens + (now - self.last) * self.rate
        self.last = now
        if self.tokens < count:
            return False
        self.tokens -= count
        return True
""",
        """from bucket import Bucket


def test_never_more_than_the_capacity():
    bucket = Bucket(2, 1)
    assert not bucket.take(100, 3)


def test_refills():
    bucket = Bucket(1, 1)
    assert bucket.take(0)
    assert not bucket.take(0.5)
    assert bucket.take(1.5)


def test_burst():
    bucket = Bucket(2, 1)
    assert bucket.take(0, 2)
    assert not bucket.take(0)
""",
        "self.tokens + (now - self.last) * self.rate",
        "min(self.capacity, self.tokens + (now - self.last) * self.rate)",
    ),
    Program(
        "basket",
        """def add(item, basket=[]):
    basket.append(item)
    return basket


def count(basket):
    return len(basket)
""",
        """from basket import add, count


def test_one():
    assert add("apple") == ["apple"]


def test_fresh_each_time():
    assert add("pear") == ["pear"]


def test_given():
    assert count(add("fig", ["kiwi"])) == 2
""",
        "basket=[]):\n    basket.append(item)\n",
        "basket=None):\n    basket = [] if basket is None else basket\n    basket.append(item)\n",
    ),
    Program(
        "average",
        '''def average(values, weights):
    """The weighted mean; 0.0 when nothing weighs anything."""
    weight = sum(weights)
    if weight == 0:
        return 0.0
    total = sum(value * factor for value, factor in zip(values, weights))
    return total / len(weights)


def spread(values):
    return max(values) - min(values)
''',
        """from average import average, spread


def test_weighted():
    assert average([1, 4], [1, 3]) == 3.25


def test_even():
    assert average([2, 4], [1, 1]) == 3


def test_weightless():
    assert average([1], [0]) == 0.0


def test_spread():
    assert spread([3, 9, 4]) == 6
""",
        "len(weights)",
        "weight",
    ),
    Program(
        "clock",
        """def twelve(hour):
    suffix = "am" if hour < 12 else "pm"
    shown = hour % 12
    return f"{shown} {suffix}"


def padded(hour, minute):
    return f"{hour:02}:{minute:02}"
""",
        """from clock import padded, twelve


def test_afternoon():
    assert twelve(15) == "3 pm"


def test_noon():
    assert twelve(12) == "12 pm"


def test_midnight():
    assert twelve(0) == "12 am"


def test_padded():
    assert padded(7, 5) == "07:05"
""",
        "hour % 12\n",
        "hour % 12 or 12\n",
    ),
)
