from server.web.process import run
from server.wire.process import OnlineWorkerProcess
from server.worker.online.app import create_app

if __name__ == "__main__":
    run(OnlineWorkerProcess, create_app)
