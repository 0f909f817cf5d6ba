"""What a team would write instead of casedial: FastAPI, pydantic, the ORM of SQLAlchemy, uvicorn."""
