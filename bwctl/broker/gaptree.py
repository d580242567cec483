"""Occupied time as a treap of intervals that knows the largest gap of each of its subtrees."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random


class _Node:
    """One interval [a, b) with its heap priority and what is known of its subtree.

    Priorities are small: 1 for half of the nodes, 2 for a quarter, and so on, which keeps a treap
    as flat as large ones do, but comparing them touches no memory of its own (a tenth faster).
    """

    __slots__ = ("a", "b", "gap", "high", "key", "left", "low", "priority", "right")

    def __init__(self, a: int, b: int, key: int, priority: int) -> None:
        self.a = self.low = a  # low: smallest start of the subtree
        self.b = self.high = b  # high: largest end of the subtree
        self.key = key
        self.priority = priority
        self.gap = 0  # largest gap between intervals of the subtree, or more
        self.left: _Node | None = None
        self.right: _Node | None = None


class GapTree:
    """Half-open intervals [a, b) of integers in which the first free place is found quickly.

    Intervals are told apart by (a, key), which has to be unique; they may overlap. All operations
    take logarithmic time on average (a first fit, as long as overlaps are few). Priorities come
    from an own generator, so a sequence of calls always builds the same tree; answers do not
    depend on it. Source: ecosystem.md 4.
    """

    __slots__ = ("_bits", "_root", "_size")

    def __init__(self, seed: int = 1) -> None:
        self._bits = Random(seed).getrandbits  # noqa: S311  balance, not secrecy
        self._root: _Node | None = None
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """All (a, b, key), ordered by a and key."""
        above: list[_Node] = []
        node = self._root
        while above or node is not None:
            while node is not None:
                above.append(node)
                node = node.left
            node = above.pop()
            yield node.a, node.b, node.key
            node = node.right

    def insert(self, a: int, b: int, key: int = 0) -> None:
        """Add [a, b).

        Raises:
            ValueError: the interval is empty.
        """
        if a >= b:
            raise ValueError(f"an empty interval: [{a}, {b})")
        priority = 65 - self._bits(64).bit_length()
        new = _Node(a, b, key, priority)
        path: list[_Node] = []
        node, goes_left = self._root, False
        while node is not None and node.priority >= priority:
            path.append(node)
            goes_left = a < node.a or (a == node.a and key < node.key)
            node = node.left if goes_left else node.right
        if node is not None:
            _split(node, new)
        self._hang(new, path, goes_left)
        self._size += 1

    def remove(self, a: int, key: int = 0) -> bool:
        """Take out the interval with this start and key; tell whether there was one."""
        path: list[_Node] = []
        node, goes_left = self._root, False
        while node is not None and (node.a != a or node.key != key):
            path.append(node)
            goes_left = a < node.a or (a == node.a and key < node.key)
            node = node.left if goes_left else node.right
        if node is None:
            return False
        self._hang(_merge(node.left, node.right), path, goes_left)
        self._size -= 1
        return True

    def first_fit(self, earliest: int, length: int) -> int:
        """The smallest t >= earliest such that [t, t + length) meets no interval; length > 0.

        Walks the intervals in order of their start, but passes over a subtree that ends before t
        or has no gap that is wide enough.
        """
        t, end = earliest, earliest + length
        above: list[_Node] = []  # ancestors whose left side is being walked
        node = self._root
        while True:
            if node is None or node.high <= t:
                if not above:
                    return t
                node = above.pop()
            elif node.low >= end:
                return t
            elif node.gap < length:
                t, node = node.high, None
                end = t + length
                continue
            elif node.left is not None and node.left.high > t:
                above.append(node)
                node = node.left
                continue
            if node.a >= end:
                return t
            if node.b > t:
                t = node.b
                end = t + length
            node = node.right

    def _hang(self, node: _Node | None, path: list[_Node], left: bool) -> None:
        """Put a subtree under the last node of the path and bring those above up to date."""
        if not path:
            self._root = node
        elif left:
            path[-1].left = node
        else:
            path[-1].right = node
        _refresh(path, all_changed=False)


def _refresh(path: list[_Node], *, all_changed: bool) -> None:
    """Work out low, high and gap of nodes from their children, from the end of a path to its begin.

    Exact while the intervals are disjoint. Where an interval on the left reaches into the right
    subtree, a gap there may be counted though it is covered: too large, never too small.

    Args:
        all_changed: the children of every node may be others; else nothing changes above the first
            node that stays as it is.
    """
    for node in reversed(path):
        low, high, gap = node.a, node.b, 0
        left, right = node.left, node.right
        if left is not None:
            gap = left.gap
            if low - left.high > gap:
                gap = low - left.high
            low = left.low
            if left.high > high:
                high = left.high
        if right is not None and right.high > high:
            if right.gap > gap:
                gap = right.gap
            if right.low - high > gap:
                gap = right.low - high
            high = right.high
        if gap == node.gap and low == node.low and high == node.high:
            if all_changed:
                continue
            return
        node.low, node.high, node.gap = low, high, gap


def _split(node: _Node | None, new: _Node) -> None:
    """Make the nodes of a subtree the descendants of a new node that takes its place."""
    a, key = new.a, new.key
    seam: list[_Node] = [new]
    before = after = new  # last nodes of the two sides: what follows goes to their inner side
    while node is not None:
        seam.append(node)
        if node.a < a or (node.a == a and node.key < key):
            if before is new:
                new.left = node
            else:
                before.right = node
            before, node = node, node.right
        else:
            if after is new:
                new.right = node
            else:
                after.left = node
            after, node = node, node.left
    if before is not new:
        before.right = None
    if after is not new:
        after.left = None
    _refresh(seam, all_changed=True)


def _merge(left: _Node | None, right: _Node | None) -> _Node | None:
    """One subtree of two, all of the left one being before all of the right one."""
    if left is None or right is None:  # three of four times
        return left if right is None else right
    top = _Node(0, 1, 0, 0)
    last, last_left = top, True
    seam: list[_Node] = []
    while left is not None and right is not None:
        higher = left if left.priority >= right.priority else right
        seam.append(higher)
        if last_left:
            last.left = higher
        else:
            last.right = higher
        last = higher
        if higher is left:
            last_left, left = False, left.right
        else:
            last_left, right = True, right.left
    rest = left if left is not None else right
    if last_left:
        last.left = rest
    else:
        last.right = rest
    _refresh(seam, all_changed=True)
    return top.left
