"""Every address of the product, in reading order."""

from __future__ import annotations

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from backups.views import (
    aftercare,
    audit,
    backup,
    backups,
    compare,
    find,
    health,
    history,
    identity_map,
    jobs,
    overview,
    people,
    pool_mail,
    pool_schema,
    prepare,
    report,
    restore,
    reveal,
    session,
    settings,
    stream,
    undo,
)


class BackupKey(StringConverter):
    """``<time>/<pool name>``, the same under the prefix of uploads, and either under that of kept copies."""

    regex = (
        r"(?:_cognito-admin/kept/)?(?:_cognito-admin/uploads/)?"
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}\.[0-9]{2}-[0-9]{2}-[0-9]{2}/[^/\0]+"
    )


register_converter(BackupKey, "key")

urlpatterns = [
    path("", overview.overview, name="home"),
    path("health/", health.health, name="health"),
    # session
    path("sign-in/", session.sign_in, name="sign-in"),
    path("sign-in/challenge/", session.challenge, name="sign-in-challenge"),
    path("sign-in/proof/", session.proof, name="sign-in-proof"),
    path("sign-out/", session.sign_out, name="sign-out"),
    # backups
    path("backups/", backups.backups, name="backups"),
    path("backups/upload/", backups.upload, name="upload"),
    path("backups/look/", overview.look, name="look"),
    path("backups/start/", overview.back_up, name="back-up"),
    path("backups/<key:backup>/", backup.backup, name="backup"),
    path("backups/<key:backup>/keep/", backup.keep, name="keep"),
    path("backups/<key:backup>/accept/", backup.accept_fall, name="accept-fall"),
    path("backups/<key:backup>/download/<str:part>", backup.download, name="download"),
    path("reveal/", reveal.reveal, name="reveal"),
    # compare
    path("compare/", compare.compare, name="compare"),
    path("compare/<int:job>/", compare.comparison, name="comparison"),
    path("compare/<int:job>/differences.<str:form>", compare.differences, name="differences"),
    path("compare/<int:job>/plan/", compare.plan_these, name="plan-these"),
    path("find/", find.find, name="find"),
    path("find/<int:job>/", find.found, name="found"),
    path("history/", history.history, name="history"),
    # restore
    path("restore/", prepare.begin, name="restore"),
    path("restore/draft/<int:draft>/what/", prepare.what, name="restore-what"),
    path("restore/draft/<int:draft>/how/", prepare.how, name="restore-how"),
    path("restore/<int:job>/", restore.plan, name="plan"),
    path("restore/<int:job>/plan.<str:form>", restore.download, name="plan-file"),
    path("restore/<int:job>/again/", restore.plan_again, name="plan-again"),
    path("restore/<int:job>/confirm/", restore.confirm, name="confirm-restore"),
    path("restore/<int:job>/start/", restore.start_restore, name="start-restore"),
    path("restore/<int:job>/schema/", pool_schema.pool_schema, name="plan-schema"),
    # jobs
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/<int:job>/", jobs.job, name="job"),
    path("jobs/<int:job>/stream", stream.job_stream, name="job-stream"),
    path("jobs/<int:job>/part", jobs.job_part, name="job-part"),
    path("jobs/<int:job>/pause/", jobs.pause_job, name="pause-job"),
    path("jobs/<int:job>/cancel/", jobs.cancel_job, name="cancel-job"),
    path("jobs/<int:job>/resume/", jobs.resume_job, name="resume-job"),
    path("jobs/<int:job>/identity-map/", identity_map.identity_map, name="map"),
    path("jobs/<int:job>/identity-map.csv", identity_map.download, {"form": "csv"}, name="identity-map"),
    path("jobs/<int:job>/identity-map.<str:form>", identity_map.download, name="map-file"),
    path("jobs/<int:job>/aftercare/", aftercare.aftercare, name="aftercare"),
    path("jobs/<int:job>/report/", report.report, name="report"),
    path("jobs/<int:job>/report.zip", report.download, name="report-file"),
    # after a restore
    path("jobs/<int:job>/undo/", undo.plan_undo, name="plan-undo"),
    path("undo/<int:job>/", undo.undo, name="undo"),
    path("undo/<int:job>/start/", undo.start_undo, name="start-undo"),
    path("people/", people.read_waiting, name="read-waiting"),
    path("people/<int:job>/", people.people, name="people"),
    path("people/<int:job>/read/", people.read_people, name="read-people"),
    path("people/<int:job>/invite/", people.invite_people, name="invite-people"),
    # pools
    path("pools/<slug:region>/<slug:pool_id>/mail/", pool_mail.pool_mail, name="pool-mail"),
    # audit
    path("audit/", audit.audit, name="audit"),
    # settings
    path("settings/", settings.settings, name="settings"),
    path("settings/policy/", settings.set_policy, name="set-policy"),
    path("settings/test/", settings.send_test, name="send-test"),
]
