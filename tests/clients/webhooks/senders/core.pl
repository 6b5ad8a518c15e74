# Signs and sends by what every Perl brings along: core.pl tiny|socket URL; see openssl.sh for what it reads.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use HTTP::Tiny;
use IO::Socket::INET;
use MIME::Base64 qw(decode_base64 encode_base64);

my ($by, $url) = @ARGV;
$| = 1;

sub by_tiny {
    my ($body, %headers) = @_;
    return HTTP::Tiny->new(timeout => 30)->post($url, { content => $body, headers => \%headers })->{status};
}

# Names in capitals, values with blanks around them, the body in chunks of an odd size.
sub by_socket {
    my ($body, %headers) = @_;
    my ($host, $path) = $url =~ m{^http://([^/]+)(/.*)$};
    my $socket = IO::Socket::INET->new(PeerAddr => $host, Timeout => 30) or die "no connection: $!";
    my $head = "POST $path HTTP/1.1\r\nHOST: $host\r\nTRANSFER-ENCODING: chunked\r\n";
    $head .= uc($_) . ": \t $headers{$_} \r\n" for sort keys %headers;
    print {$socket} "$head\r\n";
    for (my $at = 0; $at < length $body; $at += 4099) {
        my $piece = substr $body, $at, 4099;
        printf {$socket} "%X;part=1\r\n%s\r\n", length $piece, $piece;
    }
    print {$socket} "0\r\n\r\n";
    my ($status) = (scalar <$socket>) =~ /^HTTP\/1\.1 (\d+)/;
    return $status;
}

while (my $line = <STDIN>) {
    chomp $line;
    my ($id, $time, $secret, $path, $signature) = split /\t/, $line;
    open my $file, '<:raw', $path or die "$path: $!";
    my $body = do { local $/; <$file> };
    (my $key = $secret) =~ s/^whsec_//;
    $signature = 'v1,' . encode_base64(hmac_sha256("$id.$time.$body", decode_base64($key)), '') if $signature eq '-';
    my %headers = (
        'content-type' => 'application/json; charset=utf-8',
        'webhook-id' => $id, 'webhook-timestamp' => $time, 'webhook-signature' => $signature,
    );
    my $status = $by eq 'tiny' ? by_tiny($body, %headers) : by_socket($body, %headers);
    print "$status\t$signature\n";
}
