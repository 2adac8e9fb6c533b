# What every client does, with Perl's Redis: `perl calls.pl PORT`. Its numbers are strings.

use strict;
use warnings;
use FindBin;
use Redis;

my $redis = Redis->new(server => "127.0.0.1:$ARGV[0]");
my ($account, $passed, @failed) = ("perl", 0);
open(my $calls, "<", "$FindBin::Bin/calls.txt") or die $!;
while (my $line = <$calls>) {
    chomp $line;
    $line =~ s/@/$account/g;
    my ($command, $wanted) = split(/ \| /, $line);
    next if $line =~ /^#/ || !defined $wanted;
    my ($name, @words) = split(/ /, $command);
    my $reply = eval { $redis->$name(@words) };
    my $told = $@ || (ref $reply ? join(" ", map { $_ // "nil" } @$reply) : $reply // "nil");
    my $holds;
    if ($wanted =~ /^!(.*)/) {
        $holds = index($told, "] $1") >= 0;
    } else {
        my $pattern = join(".* ", map { quotemeta } $wanted =~ /(\S+(?: \S+)?)/g);
        $holds = $told =~ /(?:^| )$pattern(?: |$)/;
    }
    $holds ? $passed++ : push(@failed, "$command: $told");
}
my $event = ($redis->xrevrange("credit:events:0", "+", "-", "COUNT", 1))[0];
my %fields = @{ $event->[1] // [] };
($fields{account} // "") eq "rich:$account" ? $passed++ : push(@failed, "event");
$redis->quit;
print "FAILED perl Redis $_\n" for @failed;
printf("perl Redis %s: %d passed, %d failed\n", $Redis::VERSION, $passed, scalar @failed);
exit(@failed > 0);
