from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from config import Settings
from tests.factories import SignedIn
from tests.integration.bot_config.caller import Caller
from utils.home import Home


@pytest.fixture
def home(settings: Settings) -> Home:
    made = Home(settings.octobot_home)
    made.prepare()
    return made


@pytest.fixture
def call(app: Flask, client: FlaskClient, admin: SignedIn, home: Home) -> Caller:
    return Caller(app, client, admin)
