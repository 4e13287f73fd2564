import './styles/base.css'
import './styles/shell.css'
import './styles/parts.css'
import './styles/table.css'
import './styles/usage.css'
import './styles/finance.css'
import './styles/menu.css'
import './styles/operators.css'
import './styles/audits.css'
import './styles/automation.css'
import './styles/print.css'
import { render } from 'preact'
import { App } from './app.tsx'
import { EmbeddedUsage } from './embed/embedded-usage.tsx'

const root = document.getElementById('dashboard')
if (root === null) throw new Error('index.html has no element with the id dashboard.')
render(location.pathname.endsWith('/embed') ? <EmbeddedUsage /> : <App />, root)
