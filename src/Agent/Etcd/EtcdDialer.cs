using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;

namespace Accelerated.Agent.Etcd;

/// <summary>
/// Opens the connections to one endpoint: TCP, then TLS for https. Done here and not left to <see cref="SocketsHttpHandler"/>
/// so that the TLS files are read anew each time, the client certificate goes out with its intermediates, and a failure
/// is told in words. Everything thrown is an <see cref="EtcdException"/> of a request that was not sent.
/// </summary>
internal sealed class EtcdDialer(Uri endpoint, EtcdTls tls, TimeSpan timeout, TimeProvider time)
{
    private string? _alert;
    private Socket? _newest;

    /// <summary>
    /// The TLS alert that ended the newest connection; null when none did. With TLS 1.3 the server judges the client's
    /// certificate after the handshake, and the HTTP stack loses its alert on the way up (seen with .NET 10).
    /// </summary>
    internal string? Alert => Volatile.Read(ref _alert);

    private bool IsTls => endpoint.Scheme == Uri.UriSchemeHttps;

    /// <summary>
    /// Ends the newest connection and everything on it. The HTTP stack would go on using one that nobody answers on until its pings fail, and
    /// each request would wait for its own timeout meanwhile.
    /// </summary>
    internal void Abort() => Volatile.Read(ref _newest)?.Dispose();

    /// <summary>The <see cref="SocketsHttpHandler.ConnectCallback"/>.</summary>
    internal async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        Volatile.Write(ref _alert, null);
        using var late = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        Stream? stream = null;
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, either.Token).ConfigureAwait(false);
            stream = new NetworkStream(socket, ownsSocket: true);
            var ready = IsTls ? await HandshakeAsync(stream, either.Token).ConfigureAwait(false) : stream;
            Volatile.Write(ref _newest, socket);
            return ready;
        }
        catch (Exception e)
        {
            if (stream is null)
                socket.Dispose();
            else
                await stream.DisposeAsync().ConfigureAwait(false);

            if (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                var where = stream is null ? "no connection" : "no TLS handshake";
                throw EtcdFailure.NotConnected(endpoint, $"{where} within {timeout.TotalSeconds:0.#} s", isTransient: true, e);
            }

            if (e is SocketException socketError)
                throw EtcdFailure.NotConnected(endpoint, EtcdFailure.Describe(socketError, endpoint), isTransient: true, e);

            throw;
        }
    }

    private async ValueTask<Stream> HandshakeAsync(Stream connection, CancellationToken cancellationToken)
    {
        string? refusal = null;
        var host = endpoint.IdnHost;
        SslClientAuthenticationOptions options;
        try
        {
            options = tls.LoadOptions(host, (_, certificate, chain, errors) =>
                (refusal = tls.Judge(host, certificate, chain, errors)) is null);
        }
        catch (EtcdOptionsException e)
        {
            // The files were right when the agent started: most likely they are being replaced at this moment.
            throw EtcdFailure.NotConnected(endpoint, e.Message, isTransient: true, e);
        }

        var stream = new AlertingStream(connection, this);
        try
        {
            await stream.AuthenticateAsClientAsync(options, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            // A server that goes away in the middle looks like one that has no TLS: said, but not held against it for good.
            var cutOff = refusal is null && e is IOException;
            var fault = refusal ?? EtcdFailure.DescribeTlsAlert(e) ?? (cutOff
                ? "the server closed the connection instead of a TLS handshake; if it is etcd without TLS, write http://"
                : "the server does not speak TLS on this port; if it is etcd without TLS, write http://");
            throw EtcdFailure.NotConnected(endpoint, fault, isTransient: cutOff, e);
        }

        if (stream.NegotiatedApplicationProtocol != SslApplicationProtocol.Http2)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw EtcdFailure.NotConnected(endpoint, "the server speaks TLS but no HTTP/2: not etcd's client port", isTransient: false, null);
        }

        return stream;
    }

    private sealed class AlertingStream(Stream inner, EtcdDialer dialer) : SslStream(inner)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                return await base.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            }
            catch (IOException e) when (EtcdFailure.DescribeTlsAlert(e) is { } alert)
            {
                Volatile.Write(ref dialer._alert, alert);
                throw;
            }
        }
    }
}
