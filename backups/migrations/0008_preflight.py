from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("backups", "0007_restore")]

    operations = [
        migrations.AddField(
            model_name="plan",
            name="checks",
            field=models.JSONField(default=list),
        ),
    ]
