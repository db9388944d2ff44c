import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0008_preflight"),
    ]

    operations = [
        migrations.CreateModel(
            name="Aftercare",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.IntegerField()),
                ("item", models.CharField(max_length=300)),
                ("ticked_at", models.DateTimeField(null=True)),
                ("by", models.CharField(blank=True, max_length=200)),
                ("by_id", models.CharField(blank=True, max_length=128)),
                ("note", models.CharField(blank=True, max_length=500)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="aftercare",
                        to="backups.job",
                    ),
                ),
            ],
            options={
                "ordering": ("position",),
            },
        ),
        migrations.AddConstraint(
            model_name="aftercare",
            constraint=models.UniqueConstraint(fields=("job", "position"), name="one_item_per_place"),
        ),
        migrations.AddIndex(
            model_name="aftercare",
            index=models.Index(
                condition=models.Q(("ticked_at", None)), fields=["job"], name="open_aftercare"
            ),
        ),
    ]
