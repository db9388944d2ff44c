from django.db import migrations, models


def date_the_mails(apps, schema_editor):
    """Until now a mail counted for the day on which its user was begun."""
    items = apps.get_model("backups", "Item").objects.filter(messages__gt=0)
    items.update(mailed_at=models.F("intended_at"))


class Migration(migrations.Migration):
    dependencies = [("backups", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="item", name="mailed_at", field=models.DateTimeField(null=True)
        ),
        migrations.AddField(model_name="job", name="wake_at", field=models.DateTimeField(null=True)),
        migrations.RunPython(date_the_mails, migrations.RunPython.noop),
    ]
