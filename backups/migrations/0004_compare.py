
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('backups', '0003_schedule_alarms_catalogue'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='difference',
            name='backups_dif_job_id_af915d_idx',
        ),
        migrations.AddField(
            model_name='difference',
            name='more',
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name='difference',
            name='names',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='difference',
            name='of',
            field=models.CharField(choices=[('user', 'User'), ('group', 'Group'), ('setting', 'Setting')], default='user', max_length=8),
        ),
        migrations.AddField(
            model_name='difference',
            name='security',
            field=models.CharField(blank=True, max_length=120),
        ),
        migrations.AlterField(
            model_name='difference',
            name='key',
            field=models.CharField(max_length=400),
        ),
        migrations.AlterField(
            model_name='difference',
            name='username',
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AlterField(
            model_name='job',
            name='kind',
            field=models.CharField(choices=[('backup', 'Backup'), ('compare', 'Comparison'), ('plan', 'Restore plan'), ('restore', 'Restore'), ('keep', 'Kept copy'), ('find', 'Search for the last good backup')], max_length=16),
        ),
        migrations.AddIndex(
            model_name='difference',
            index=models.Index(fields=['job', 'of', 'kind', 'id'], name='differences_of_a_job'),
        ),
    ]
