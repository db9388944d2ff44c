"""One pace for all processes on all hosts: the buckets of ``engine.pace``, in Redis.

    take        one script on the server, by the server's clock: go, or so long to wait
    slow_down   another: AWS throttled one of us, and all of us slow down
    no Redis    each process goes on alone, with its part of the share, and looks again every few seconds

No method raises, and none holds a call up for longer than Redis is given to answer.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from backups.engine.pace import SLOWER, SLOWEST, STEP, TICK, Bucket, Standing
from backups.engine.ports import Clock

log = structlog.get_logger(__name__)
T = TypeVar("T")

TIMEOUT = 0.5  # seconds that Redis has to connect, and to answer
RETRY = 3.0  # seconds between two looks for a Redis that is away
SEEN_FOR = 30  # seconds after its last call for which a process counts as one of those who share

# KEYS: the bucket, the calls of the last second, the processes, in how many parts the share is for now
# ARGV: the caller's limit
_NOW = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local limit = tonumber(ARGV[1])
local function get(field, otherwise)
    return tonumber(redis.call('HGET', KEYS[1], field)) or otherwise
end

-- where callers have different limits the smallest holds for all, until two seconds after its last call
local least, asked = get('limit', limit), get('asked', now)
if limit <= least or math.abs(now - asked) > 2 then least, asked = limit, now end

local passed = math.max(0, now - get('at', now))
local free = 1e9 -- the rate of what is not slowed: a limit that grows is used at once
local rate, slowed = get('rate', free), get('slowed', 0)
if rate < least and math.abs(now - slowed) >= 1 then
    rate = rate + passed
    if rate >= least then rate = free end
end
local parts = tonumber(redis.call('GET', KEYS[4])) or 1
local speed = math.min(rate, least) / parts
local tokens = math.min(math.max(1, speed / 10), get('tokens', 1) + passed * speed)

local function keep()
    redis.call('HSET', KEYS[1], 'tokens', tokens, 'rate', rate, 'at', now, 'slowed', slowed,
        'limit', least, 'asked', asked)
    redis.call('EXPIRE', KEYS[1], 3600)
end
"""
# ARGV: the caller's limit, the caller
_TAKE = f"""{_NOW}
local oldest = redis.call('LINDEX', KEYS[2], -1)
while oldest and math.abs(now - oldest) >= 1 do
    redis.call('RPOP', KEYS[2])
    oldest = redis.call('LINDEX', KEYS[2], -1)
end
local full = redis.call('LINDEX', KEYS[2], math.max(1, math.floor(least / parts + 1e-9)) - 1)
local wait = (1 - tokens) / speed
if full then wait = math.max(wait, full + 1 - now) end
if wait <= 0 then
    wait, tokens = 0, tokens - 1
    redis.call('LPUSH', KEYS[2], now)
    redis.call('EXPIRE', KEYS[2], 2)
end
keep()
redis.call('ZADD', KEYS[3], now, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - {SEEN_FOR})
redis.call('EXPIRE', KEYS[3], {SEEN_FOR})
local seen = math.max(parts, redis.call('ZCARD', KEYS[3]))
return {{tostring(wait), tostring(math.min(rate, least)), tostring(seen)}}
"""
_SLOW_DOWN = f"""{_NOW}
if math.abs(now - slowed) >= 1 then
    rate, slowed = math.max(math.min({SLOWEST}, least), math.min(rate, least) * {SLOWER}), now
end
tokens = math.min(tokens, 0)
keep()
redis.call('HINCRBY', KEYS[1], 'throttled', 1)
return tostring(rate)
"""


def connect(url: str) -> redis.Redis:
    """For this process alone. A connection that Redis closed meanwhile is opened again at once."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=TIMEOUT,
        socket_timeout=TIMEOUT,
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )


class Shared:
    """What the processes share of one account and Region; there, or away for the moment."""

    def __init__(self, client: redis.Redis, account: str, region: str, clock: Clock) -> None:
        self.seen = 1.0  # processes that shared when Redis last answered, this one too
        self._client = client
        self._clock = clock
        self._name = uuid.uuid4().hex
        self._keys = f"pace:{{{account}:{region}}}"  # the braces keep them together in a cluster
        self._region = region
        self._scripts = {text: client.register_script(text) for text in (_TAKE, _SLOW_DOWN)}
        self._lock = threading.Lock()
        self._away = False
        self._next_look = float("-inf")

    def bucket(self, category: str, limit: float) -> SharedBucket:
        return SharedBucket(self, category, limit, self._clock)

    def take(self, category: str, limit: float) -> tuple[float, float] | None:
        """(seconds to wait, rate), or None while Redis is away. So are the others."""

        def take() -> tuple[float, float]:
            wait, rate, self.seen = map(float, self._run(_TAKE, category, limit, self._name))
            return wait, rate

        return self._ask(take)

    def slow_down(self, category: str, limit: float) -> float | None:
        """The rate from now on."""
        return self._ask(lambda: float(self._run(_SLOW_DOWN, category, limit)))

    def standing(self, category: str, limit: float) -> Standing | None:
        """As it stood at the last call of any process; before the first one at ``limit``."""

        def look() -> Standing:
            told: Any = self._client.hmget(f"{self._keys}:{category}", ["rate", "limit", "throttled"])
            rate, least, throttled = told
            least = float(least or limit)
            return Standing(min(float(rate or least), least), least, int(throttled or 0))

        return self._ask(look)

    def _run(self, script: str, category: str, *arguments: Any) -> Any:
        bucket = f"{self._keys}:{category}"
        keys = [bucket, f"{bucket}:calls", f"{self._keys}:processes", self._parts]
        return self._scripts[script](keys=keys, args=arguments)

    @property
    def _parts(self) -> str:
        return f"{self._keys}:parts"

    def _ask(self, question: Callable[[], T]) -> T | None:
        with self._lock:
            now, was_away = self._clock.monotonic(), self._away
            if now < self._next_look:
                return None
            if was_away:
                self._next_look = now + RETRY  # one of the threads looks, the others go on meanwhile
        try:
            if was_away:
                # The others may not have noticed yet that it is back, and still take their parts.
                self._client.set(self._parts, self.seen, px=round((RETRY + 2 * TIMEOUT) * 1000))
            answer = question()
        except Exception as error:  # a stranger at Redis' address makes redis-py raise anything
            self._lost(error)
            return None
        if was_away:
            self._found()
        return answer

    def _lost(self, error: Exception) -> None:
        with self._lock:
            told, self._away = self._away, True
            self._next_look = self._clock.monotonic() + RETRY
        if not told:
            log.warning(
                "Redis away, the pace is not shared",
                region=self._region,
                parts=round(self.seen),
                error=type(error).__name__,
            )

    def _found(self) -> None:
        with self._lock:
            self._away, self._next_look = False, float("-inf")
        log.info("Redis is back, the pace is shared again", region=self._region)


class SharedBucket:
    """One category, as this process sees it: a ``Limiter``."""

    def __init__(self, shared: Shared, category: str, limit: float, clock: Clock) -> None:
        self._shared, self._category, self._limit, self._clock = shared, category, limit, clock
        self._rate = limit  # as it was last told
        self._alone: Bucket | None = None  # while Redis is away
        self._until = float("-inf")
        self._lock = threading.Lock()

    def take(self) -> float:
        with self._lock:
            wait = self._until - self._clock.monotonic()
            if wait > 0:
                return max(wait, TICK)  # another thread was told so: not each of them has to ask
            answer = self._shared.take(self._category, self._limit)
            if answer is None:
                return self._part().take()
            self._alone = None
            wait, self._rate = answer
            if wait <= 0:
                return 0.0
            wait = min(STEP, max(wait, TICK))
            self._until = self._clock.monotonic() + wait
            return wait

    def slow_down(self) -> None:
        with self._lock:
            rate = self._shared.slow_down(self._category, self._limit)
            if rate is None:
                self._part().slow_down()
            else:
                self._rate = rate

    def standing(self) -> Standing:
        with self._lock:
            return self._shared.standing(self._category, self._limit) or self._part().standing()

    def _part(self) -> Bucket:
        """This process's own: its part of the limit, and no faster than all were at last."""
        if self._alone is None:
            self._alone = Bucket(self._limit / self._shared.seen, self._clock)
            self._alone.rate = min(self._limit, self._rate) / self._shared.seen
        return self._alone
