
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('backups', '0004_compare'),
    ]

    operations = [
        migrations.CreateModel(
            name='IndexedPool',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=128, unique=True)),
                ('owner', models.CharField(blank=True, max_length=32)),
                ('until', models.DateTimeField(null=True)),
                ('counted', models.IntegerField(default=0, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='IndexedBackup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('fingerprint', models.CharField(max_length=64)),
                ('bits', models.SmallIntegerField(default=0)),
                ('shards', models.BinaryField(default=b'')),
                ('why', models.TextField(blank=True)),
                ('backup', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='indexed', to='backups.backup')),
                ('pool', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='backups', to='backups.indexedpool')),
            ],
        ),
        migrations.CreateModel(
            name='Shard',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.BinaryField(max_length=16)),
                ('names', models.BinaryField()),
                ('users', models.BinaryField()),
                ('pool', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='shards', to='backups.indexedpool')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('pool', 'digest'), name='a_shard_once')],
            },
        ),
    ]
