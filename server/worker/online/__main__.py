from server.web.process import run
from server.wire.process import OnlineWorkerProcess
from server.worker.online.app import create_app

if __name__ == "__main__":
    run(
        OnlineWorkerProcess,
        lambda settings, drain, _say, address: create_app(settings, drain, address),
    )
