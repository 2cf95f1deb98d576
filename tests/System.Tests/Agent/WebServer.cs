using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Accelerated.Interop;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>A server in etcd's namespace that gives every request the same answer; with a certificate one that offers TLS, and no more.</summary>
internal sealed class WebServer : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly byte[] _answer;
    private readonly X509Certificate2? _certificate;
    private readonly Task _serving;

    private WebServer(TcpListener listener, string answer, X509Certificate2? certificate)
    {
        (_listener, _answer, _certificate) = (listener, Encoding.ASCII.GetBytes(answer), certificate);
        _serving = ServeAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public static WebServer Start(LabHost host, string answer, X509Certificate2? certificate = null) => new(
        // A socket stays in the namespace it was made in.
        NetworkNamespace.Invoke($"{LabLayout.NamespaceDirectory}/{host.Namespace}", () =>
        {
            var listener = new TcpListener(IPAddress.Any, 0);
            listener.Start();
            return listener;
        }),
        answer, certificate);

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _serving;
    }

    private async Task ServeAsync()
    {
        try
        {
            for (; ; )
            {
                using var client = await _listener.AcceptTcpClientAsync();
                var stream = client.GetStream();
                if (_certificate is not null)
                {
                    await HandshakeAsync(stream);
                    continue;
                }

                var buffer = new byte[4096];
                _ = await stream.ReadAsync(buffer);
                await stream.WriteAsync(_answer);
                // Lingers as web servers do: to close on unread bytes sends a reset, which can overtake the answer.
                client.Client.Shutdown(SocketShutdown.Send);
                while (await stream.ReadAsync(buffer) > 0)
                {
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
        {
            // Stopped.
        }
    }

    private async Task HandshakeAsync(NetworkStream stream)
    {
        await using var tls = new SslStream(stream);
        try
        {
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate, ApplicationProtocols = [SslApplicationProtocol.Http2] });
        }
        catch (Exception e) when (e is global::System.Security.Authentication.AuthenticationException or IOException)
        {
            // The client did not like it.
        }
    }
}
