"""One empty task in each task queue, with how its workers are started; see `bench.task_queues`."""
