/* What every client does, with hiredis: `calls CALLS_FILE PORT`. */

#include <ctype.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 32, LINE_MAX_BYTES = 1024 };

static int split(char *line, const char *words[]) {
    int count = 0;
    for (char *word = strtok(line, " "); word && count < WORDS_MAX; word = strtok(NULL, " ")) words[count++] = word;
    return count;
}

/* Whether a flat array has the wanted value behind the name. */
static int has(const redisReply *reply, const char *name, const char *value) {
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const redisReply *told = reply->element[i + 1];
        if (strcmp(reply->element[i]->str, name) != 0) continue;
        if (isdigit((unsigned char)value[0])) return told->type == REDIS_REPLY_INTEGER && told->integer == atoll(value);
        return told->type == REDIS_REPLY_STRING && strcmp(told->str, value) == 0;
    }
    return 0;
}

static int hears(const redisReply *reply, char *wanted) {
    if (wanted[0] == '!') {
        return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, wanted + 1, strlen(wanted + 1)) == 0;
    }
    if (strcmp(wanted, "nil") == 0) return reply->type == REDIS_REPLY_NIL;
    const char *words[WORDS_MAX];
    int count = split(wanted, words), holds = reply->type == REDIS_REPLY_ARRAY;
    for (int i = 0; holds && i + 1 < count; i += 2) holds = has(reply, words[i], words[i + 1]);
    return holds;
}

int main(int argc, char **argv) {
    redisContext *redis = argc == 3 ? redisConnect("127.0.0.1", atoi(argv[2])) : NULL;
    FILE *calls = argc == 3 ? fopen(argv[1], "r") : NULL;
    if (!calls || !redis || redis->err) return fprintf(stderr, "calls CALLS_FILE PORT\n"), 64;
    int passed = 0, failed = 0;
    char read[LINE_MAX_BYTES], line[2 * LINE_MAX_BYTES];
    while (fgets(read, sizeof read, calls)) {
        size_t len = 0;
        for (char *c = read; *c && *c != '\n' && len + 2 < sizeof line; c++) {
            if (*c == '@') line[len++] = 'h', line[len++] = 'i';
            else line[len++] = *c;
        }
        line[len] = 0;
        char *bar = strstr(line, " | ");
        if (line[0] == '#' || !bar) continue;
        *bar = 0;
        const char *words[WORDS_MAX];
        redisReply *reply = redisCommandArgv(redis, split(line, words), words, NULL);
        int holds = reply && hears(reply, bar + 3);
        passed += holds, failed += !holds;
        if (!holds) printf("FAILED hiredis %s %s %s\n", words[0], words[1], reply && reply->str ? reply->str : "");
        freeReplyObject(reply);
    }
    redisReply *events = redisCommand(redis, "XREVRANGE credit:events:0 + - COUNT 1");
    int holds = events && events->elements == 1 && has(events->element[0]->element[1], "account", "rich:hi");
    passed += holds, failed += !holds;
    freeReplyObject(events);
    redisFree(redis);
    fclose(calls);
    printf("hiredis %d.%d.%d: %d passed, %d failed\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH, passed, failed);
    return failed > 0;
}
