import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("backups", "0011_schema")]

    operations = [
        migrations.RemoveIndex(model_name="item", name="backups_ite_job_id_344f59_idx"),
        migrations.AlterField(
            model_name="item",
            name="job",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="items",
                to="backups.job",
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(fields=["job", "action", "position"], name="lines_of_an_action"),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(fields=["job", "reason", "position"], name="lines_of_a_reason"),
        ),
    ]
