"""All addresses live in backups.urls, in reading order."""

from django.urls import include, path

urlpatterns = [path("", include("backups.urls"))]
handler400 = "backups.views.errors.bad_request"
handler403 = "backups.views.errors.forbidden"
handler404 = "backups.views.errors.not_found"
handler500 = "backups.views.errors.server_error"
