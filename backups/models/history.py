"""The index of users over all backups: kept beside the catalogue, made from the bucket alone.

    IndexedPool    one name of a pool, and whose turn it is to write its index
    IndexedBackup  one backup: the numbers of its shards, one after the other
    Shard          some users as they looked (core.shards), shared by all backups in which they look so

A backup's row goes with its catalogue row. Shards that no backup lists any more go at the next sweep
(backups.history), which follows every look at the bucket.
"""

from __future__ import annotations

from django.db import models


class IndexedPool(models.Model):
    """One name of a pool. Names are what the catalogue groups backups by."""

    name = models.CharField(max_length=128, unique=True)
    owner = models.CharField(max_length=32, blank=True)  # who writes its index; "" when nobody does
    until = models.DateTimeField(null=True)  # when that turn runs out, by the database's clock
    counted = models.IntegerField(default=0, null=True)  # its IndexedBackup rows; if not: a sweep is due

    def __str__(self) -> str:
        return self.name


class IndexedBackup(models.Model):
    """One backup as it was when ``fingerprint`` was its catalogue row's; else it is indexed again."""

    backup = models.OneToOneField("Backup", on_delete=models.CASCADE, related_name="indexed")
    pool = models.ForeignKey(IndexedPool, on_delete=models.CASCADE, related_name="backups")
    fingerprint = models.CharField(max_length=64)
    bits = models.SmallIntegerField(default=0)  # 2**bits shards
    shards = models.BinaryField(default=b"")  # Shard.pk of each number, 8 bytes, the highest first
    why = models.TextField(blank=True)  # why it could not be indexed, a sentence; then it has no shards

    def __str__(self) -> str:
        return f"{self.backup_id} ({2**self.bits} shards)"


class Shard(models.Model):
    """Some users; which, their hashes decide."""

    pool = models.ForeignKey(IndexedPool, on_delete=models.CASCADE, related_name="shards", db_index=False)
    digest = models.BinaryField(max_length=16)  # of what it holds
    names = models.BinaryField()
    users = models.BinaryField()  # packed

    class Meta:
        constraints = (models.UniqueConstraint(fields=["pool", "digest"], name="a_shard_once"),)

    def __str__(self) -> str:
        return bytes(self.digest).hex()
