<?php
// What every client does, with phpredis: `php calls.php PORT`.

$redis = new Redis();
$redis->connect('127.0.0.1', (int) $argv[1]);
$account = 'php';
$passed = 0;
$failed = [];
foreach (file(__DIR__ . '/calls.txt', FILE_IGNORE_NEW_LINES) as $line) {
    [$command, $wanted] = array_pad(explode(' | ', str_replace('@', $account, $line)), 2, null);
    if ($line === '' || $line[0] === '#' || $wanted === null) {
        continue;
    }
    $reply = $error = null;
    try {
        $reply = $redis->rawCommand(...explode(' ', $command));
    } catch (RedisException $e) {
        $error = $e->getMessage();
    }
    if ($wanted[0] === '!') {
        $holds = $error !== null && str_starts_with($error, substr($wanted, 1));
    } elseif ($wanted === 'nil') {
        $holds = $error === null && !$reply;
    } else {
        $holds = is_array($reply);
        foreach (array_chunk(explode(' ', $wanted), 2) as [$name, $value]) {
            $told = array_column(array_chunk($reply ?: [], 2), 1, 0)[$name] ?? null;
            $holds = $holds && $told === (ctype_digit($value) ? (int) $value : $value);
        }
    }
    $holds ? $passed++ : $failed[] = "$command: $error" . json_encode($reply);
}
$event = current($redis->xRevRange('credit:events:0', '+', '-', 1));
($event['account'] ?? null) === "rich:$account" ? $passed++ : $failed[] = 'event: ' . json_encode($event);
$redis->close();
foreach ($failed as $what) {
    echo "FAILED phpredis $what\n";
}
printf("phpredis %s: %d passed, %d failed\n", phpversion('redis'), $passed, count($failed));
exit((int) ($failed !== []));
