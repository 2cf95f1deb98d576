using System.Net;
using System.Net.Sockets;

namespace Accelerated.Agent.Etcd;

/// <summary>
/// Turns everything that can go wrong with a call into an <see cref="EtcdException"/>: words for the operator, and for the
/// caller whether to try again, elsewhere, or to find out first what happened.
/// </summary>
internal static class EtcdFailure
{
    // How .NET begins its message when a connection ended before the server's SETTINGS. There is nothing but the words to tell
    // it by; should they change, such a write counts as unknown instead of unsent, and a test fails.
    private const string NoHttp2Handshake = "An HTTP/2 connection could not be established";

    // In its message when a server left a ping of HTTP/2 unanswered; likewise.
    private const string Silence = "respond to a ping";

    // Refusals that etcd gives before a write reaches the log, whatever their code is.
    private static readonly string[] RefusedBeforeTheLog =
    [
        "etcdserver: no leader",
        "etcdserver: too many requests",
        "etcdserver: not capable",
        "etcdserver: rpc not supported for learner",
    ];

    /// <summary>How an endpoint is written everywhere: <c>scheme://host:port</c>, the port always.</summary>
    internal static string Name(Uri endpoint) => $"{endpoint.Scheme}://{endpoint.Host}:{endpoint.Port}";

    /// <summary>No connection, so nothing was sent.</summary>
    internal static EtcdException NotConnected(Uri endpoint, string fault, bool isTransient, Exception? inner) =>
        new($"etcd at {Name(endpoint)}: {fault}", EtcdStatusCode.Unavailable, endpoint, isTransient, inner)
        {
            IsEndpointFault = true,
        };

    /// <summary>No answer in time. A write may have been applied.</summary>
    internal static EtcdException TimedOut(Uri endpoint, TimeSpan limit, bool write, Exception inner) =>
        new(
            $"etcd at {Name(endpoint)}: no answer within {limit.TotalSeconds:0.#} s{Unknown(write)}",
            EtcdStatusCode.DeadlineExceeded,
            endpoint,
            isTransient: true,
            inner)
        {
            IsEndpointFault = true,
            OutcomeUnknown = write,
        };

    /// <summary>A watch on which nothing comes any more, not even what was asked for.</summary>
    internal static EtcdException Silent(Uri endpoint, TimeSpan limit, Exception inner) =>
        new(
            $"etcd at {Name(endpoint)}: the watch is dead, a request for progress had no answer within {limit.TotalSeconds:0.#} s",
            EtcdStatusCode.DeadlineExceeded,
            endpoint,
            isTransient: true,
            inner)
        {
            IsEndpointFault = true,
        };

    /// <summary>etcd answered with a gRPC status other than OK.</summary>
    internal static EtcdException FromStatus(GrpcStatus status, Uri endpoint, bool write)
    {
        if (status.Code == EtcdStatusCode.OutOfRange && status.Message.Contains("compacted", StringComparison.Ordinal))
            return new EtcdCompactedException($"etcd at {Name(endpoint)}: {status.Message}", endpoint, compactRevision: 0);

        var refused = status.Code is EtcdStatusCode.InvalidArgument or EtcdStatusCode.NotFound or EtcdStatusCode.AlreadyExists
            or EtcdStatusCode.PermissionDenied or EtcdStatusCode.FailedPrecondition or EtcdStatusCode.OutOfRange
            or EtcdStatusCode.Unimplemented or EtcdStatusCode.Unauthenticated
            || Array.Exists(RefusedBeforeTheLog, text => status.Message.StartsWith(text, StringComparison.Ordinal));
        var transient = status.Code is EtcdStatusCode.Cancelled or EtcdStatusCode.Unknown or EtcdStatusCode.DeadlineExceeded
            or EtcdStatusCode.ResourceExhausted or EtcdStatusCode.Aborted or EtcdStatusCode.Internal or EtcdStatusCode.Unavailable;
        var words = status.Message.Length > 0 ? status.Message : $"gRPC status {status.Code}";
        if (words.Contains("user name is empty", StringComparison.Ordinal))
            words += "; this etcd wants a user: give --etcd-username and --etcd-password";

        return new EtcdException(
            $"etcd at {Name(endpoint)}: {words}{Unknown(write && !refused)}", status.Code, endpoint, transient)
        {
            IsEndpointFault = transient || status.Code is EtcdStatusCode.DataLoss or EtcdStatusCode.Unimplemented,
            OutcomeUnknown = write && !refused,
            ServerMessage = status.Message,
        };
    }

    /// <summary>The answer is HTTP but not gRPC: another service, or a proxy that has something to say.</summary>
    internal static EtcdException NotGrpc(HttpResponseMessage response, Uri endpoint)
    {
        var type = response.Content.Headers.ContentType?.MediaType ?? "no content type";
        // What a gateway answers for an etcd behind it that is away (RFC 9110, 502 to 504) passes; the rest does not.
        var gateway = response.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable
            or HttpStatusCode.GatewayTimeout;
        return new EtcdException(
            $"etcd at {Name(endpoint)}: answered HTTP {(int)response.StatusCode} with {GrpcStatus.OnOneLine(type)}, which is not etcd's " +
            "v3 API; check the port in --etcd-endpoints and any proxy before it",
            gateway ? EtcdStatusCode.Unavailable : EtcdStatusCode.Unimplemented,
            endpoint,
            isTransient: gateway)
        {
            IsEndpointFault = true,
        };
    }

    /// <summary>Anything the HTTP stack or the framing threw.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="endpoint">By which endpoint.</param>
    /// <param name="alert">The TLS alert that ended its newest connection, if one did.</param>
    /// <param name="hasAnswered">Whether it ever answered as etcd does.</param>
    /// <param name="write">Whether the call was a write.</param>
    internal static EtcdException FromException(Exception exception, Uri endpoint, string? alert, bool hasAnswered, bool write)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            switch (e)
            {
                // Thrown while connecting, perhaps for several requests at once: each gets its own.
                case EtcdException connecting:
                    var fault = connecting.Message[(connecting.Message.IndexOf(": ", StringComparison.Ordinal) + 2)..];
                    return NotConnected(endpoint, fault, connecting.IsTransient, e);
                case MessageTooLongException:
                    // Whoever else is asked says the same.
                    return new EtcdException($"etcd at {Name(endpoint)}: {e.Message}{Unknown(write)}", EtcdStatusCode.ResourceExhausted, endpoint, isTransient: false, exception)
                    {
                        OutcomeUnknown = write,
                    };
                case InvalidDataException:
                    return new EtcdException(
                        $"etcd at {Name(endpoint)}: {e.Message}{Unknown(write)}",
                        EtcdStatusCode.Internal,
                        endpoint,
                        isTransient: false,
                        exception)
                    {
                        IsEndpointFault = true,
                        OutcomeUnknown = write,
                    };

                // Bytes that are no HTTP/2 frames, from a server that never sent any: another protocol lives there. Silence is none.
                case HttpProtocolException when !hasAnswered && !e.Message.Contains(Silence, StringComparison.Ordinal):
                    return NotConnected(
                        endpoint, "the server does not speak HTTP/2, so it is not etcd's client port", isTransient: false, exception);
            }

            if (!e.Message.StartsWith(NoHttp2Handshake, StringComparison.Ordinal))
                continue;

            // Not held against the server for good: one that stops in this moment looks the same.
            if (endpoint.Scheme == Uri.UriSchemeHttp)
            {
                return NotConnected(
                    endpoint,
                    "the server does not speak HTTP/2, it closed the connection; if it is a TLS port, write https://",
                    isTransient: true,
                    exception);
            }

            return alert is not null
                ? NotConnected(endpoint, alert, isTransient: false, exception)
                : NotConnected(
                    endpoint,
                    "the server does not speak HTTP/2, it closed the TLS connection; if it wants a client certificate, check " +
                    "--etcd-certfile and --etcd-keyfile",
                    isTransient: true,
                    exception);
        }

        return new EtcdException(
            $"etcd at {Name(endpoint)}: {ConnectionLost(exception, endpoint)}{Unknown(write)}",
            EtcdStatusCode.Unavailable,
            endpoint,
            isTransient: true,
            exception)
        {
            IsEndpointFault = true,
            OutcomeUnknown = write,
        };
    }

    /// <summary>Every endpoint was tried and none could serve the call.</summary>
    internal static EtcdException AllFailed(IReadOnlyList<EtcdException> failures)
    {
        if (failures.Count == 1)
            return failures[0];

        const string head = "etcd at ";
        var each = failures.Select(static f => f.Message.StartsWith(head, StringComparison.Ordinal) ? f.Message[head.Length..] : f.Message);
        return new EtcdException(
            $"none of {failures.Count} etcd endpoints can serve the call: {string.Join("; ", each)}",
            failures.All(f => f.Code == failures[0].Code) ? failures[0].Code : EtcdStatusCode.Unavailable,
            endpoint: null,
            isTransient: failures.Any(static f => f.IsTransient),
            failures[^1])
        {
            IsEndpointFault = true,
        };
    }

    /// <summary>Words for a failed TCP connection.</summary>
    internal static string Describe(SocketException e, Uri endpoint) => e.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => "connection refused",
        SocketError.HostNotFound or SocketError.NoData => $"the name '{endpoint.Host}' does not resolve",
        SocketError.TryAgain => $"the name '{endpoint.Host}' does not resolve at the moment",
        SocketError.HostUnreachable => "no route to host",
        SocketError.NetworkUnreachable => "network is unreachable",
        SocketError.TimedOut => "connection timed out",
        SocketError.ConnectionReset => "connection reset",
        _ => e.Message,
    };

    /// <summary>The TLS alert the server sent, in words; null when there is none. OpenSSL tells it only as text.</summary>
    internal static string? DescribeTlsAlert(Exception exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            var at = e.Message.IndexOf(" alert ", StringComparison.Ordinal);
            if (at < 0 || !e.Message.Contains("SSL routines", StringComparison.Ordinal))
                continue;

            var alert = e.Message[(at + " alert ".Length)..].Trim();
            return $"the server refused the TLS connection ({alert}): it wants a client certificate signed by its CA; " +
                "check --etcd-certfile and --etcd-keyfile";
        }

        return null;
    }

    private static string ConnectionLost(Exception exception, Uri endpoint)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            if (e is SocketException socket)
                return Describe(socket, endpoint);
        }

        return $"connection lost ({GrpcStatus.OnOneLine(exception.Message)})";
    }

    private static string Unknown(bool unknown) => unknown ? "; whether the write happened is not known" : "";
}
