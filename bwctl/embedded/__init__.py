"""Programs that run as child processes: guard and embedded tester; standard library only."""
